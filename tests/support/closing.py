"""Closing a month of customers, and late actions."""

from typing import Any

import httpx
from sqlalchemy import text

from common.database.transactions import transaction
from tests.support.api import Wire, action, lead, post

USER = {"email": "ann@people.test"}


def close(client: httpx.Client, period: str, *customers: str) -> httpx.Response:
    body = {"customer_ids": list(customers)} if customers else None
    return client.post(f"/billing/periods/{period}/close", json=body)


def closed(client: httpx.Client, period: str, *customers: str) -> Any:
    answer = close(client, period, *customers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def by_customer(run: Wire) -> dict[str, tuple[str, str]]:
    return {result["customer_id"]: (result["status"], result["due"]) for result in run["results"]}


def execute(statement: str, **parameters: Any) -> list[Any]:
    with transaction() as session:
        result = session.connection().execute(text(statement), parameters)
        return list(result) if result.returns_rows else []


def post_late(client: httpx.Client) -> None:
    late = [action("Form", "2024-04-02T08:00:00Z"), action("Download", "2024-04-20T12:00:00Z")]
    post(client, lead("late", *late, user=USER)).raise_for_status()


def forget_price(customer: str) -> None:
    """Gives a customer a card of its own that prices High alone."""
    execute(
        """
        with card as (
            insert into rate_cards (customer_id, name, version, valid_from)
            select customer_id, 'Unfinished', 1, '2024-01-01' from customers
            where external_id = :customer
            returning rate_card_id
        )
        insert into rate_card_rates (rate_card_id, engagement_level, amount_cents)
        select rate_card_id, 'High', 1000 from card
        """,
        customer=customer,
    )
