"""A statement about one customer names that customer for every table of customers' data.

So it touches one shard where the tables are distributed by customer.
"""

from collections.abc import Callable

import httpx
import pytest

from common.access.authentication import authenticator
from common.settings import settings
from tests.support.api import action, lead, post, register
from tests.support.statements import STATEMENTS, code_of, sent_statements, unnamed_tables

APRIL = "/billing/reports/acme/2024-04"
MAY = "/billing/reports/acme/2024-05"
OF_ACME = {"customer_id": "acme"}
ABOUT_ALL_CUSTOMERS = {
    ("delivery", "note_event"),
    ("delivery", "take_delivery"),
    ("events", "claim_deliveries"),
    ("proof", "differing_rows"),
    ("proof", "sealed_reports"),
    ("proof", "unsealed_reports"),
    ("rating", "active_periods_of_all"),
    ("reports", "dashboard"),
    ("reports", "gauges"),
}
USER = {"user": {"email": "ann@people.test"}}


@pytest.fixture
def client_with_april_final(gateway: httpx.Client) -> httpx.Client:
    """April is final with an accepted dispute; May is open with late and credited lines."""
    register(gateway, customers={"acme": "UTC", "beta": "UTC"}, products="abc")
    may = action(timestamp="2024-05-02T10:00:00Z")
    leads = [
        lead("april", action(), action(), **USER),
        lead("may", may, may, **USER),
        lead("held", product_id="unknown", **USER),
        lead("april", customer_id="beta"),
    ]
    assert post(gateway, leads).status_code == 207
    close(gateway, "2024-04")
    post(gateway, lead("late", action("Call"), **USER)).raise_for_status()
    dispute = {"lead_id": "april", "customer_id": "acme", "reason": "spam"}
    opened = gateway.post("/billing/disputes", json=dispute).raise_for_status().json()
    gateway.post(f"/billing/disputes/{opened['dispute_id']}/accept").raise_for_status()
    return gateway


def close(client: httpx.Client, period: str) -> None:
    body = {"customer_ids": ["acme"]}
    client.post(f"/billing/periods/{period}/close", json=body).raise_for_status()


def get(*addresses: str) -> Callable[[httpx.Client], None]:
    def ask(client: httpx.Client) -> None:
        for address in addresses:
            client.get(address).raise_for_status()

    return ask


def dispute_a_line(client: httpx.Client) -> None:
    lines = client.get(APRIL).json()["lines"]
    body = {"lead_id": "late", "reason": "spam", **OF_ACME}
    assert client.post("/billing/disputes", json=body).status_code == 201
    body |= {"lead_id": "april", "action_id": lines[1]["action_id"]}
    assert client.post("/billing/disputes", json=body).status_code == 409


def erase(client: httpx.Client) -> None:
    body = {"user": "ann@people.test"}
    client.post("/customers/acme/erasures", json=body).raise_for_status()


REQUESTS = {
    "leads": lambda client: post(
        client, [lead("new", action(), **USER), lead("held2", product_id="x")]
    ),
    "lists": get(
        "/leads?customer_id=acme&user=ann@people.test", "/billing/reports?customer_id=acme"
    ),
    "lead": get("/leads/april?customer_id=acme", "/console/lead?id=april&customer_id=acme"),
    "draft": get(MAY, f"{MAY}.csv", f"{MAY}.ndjson", f"{MAY}.html"),
    "final report": get(APRIL, f"{APRIL}.csv", f"{APRIL}.html", f"{APRIL}?limit=1"),
    "pages": get(
        *(
            f"{address}/{kind}"
            for address in (APRIL, MAY)
            for kind in ("lines?user=ann", "prior-lines", "users?user=ann", "leads?user=ann")
        )
    ),
    "verification": get(f"{APRIL}/verify"),
    "reconciliation": get("/billing/reconciliation?customer_id=acme"),
    "disputes": get("/billing/disputes?customer_id=acme"),
    "new dispute": dispute_a_line,
    "close": lambda client: close(client, "2024-05"),
    "erasure": erase,
    "customer": lambda client: client.put(
        "/customers/acme", json={"name": "Acme", "email": "acme@partner.test"}
    ),
}


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_statements_of_a_request_about_one_customer_name_it(
    client_with_april_final: httpx.Client, request_: Callable[[httpx.Client], object]
) -> None:
    for cached in (settings, authenticator):
        cached.cache_clear()

    with sent_statements() as sent:
        request_(client_with_april_final)

    assert sent
    unnamed = {statement: tables for statement in sent if (tables := unnamed_tables(statement))}
    assert unnamed == {}


@pytest.mark.parametrize(("package", "name"), STATEMENTS)
def test_statement_file_names_the_customer_unless_it_is_about_all(package: str, name: str) -> None:
    tables = unnamed_tables(code_of(package, name))

    assert bool(tables) == ((package, name) in ABOUT_ALL_CUSTOMERS), tables


@pytest.mark.parametrize(
    ("statement", "tables"),
    [
        ("select * from leads where lead_id = $1", ["leads"]),
        ("select * from leads where customer_id = $1", []),
        ("select * from leads join actions using (customer_id) where leads.customer_id = $1", []),
        (
            "select * from leads join actions using (lead_id) where leads.customer_id = $1",
            ["actions"],
        ),
        ("insert into leads (lead_id) values ($1)", ["leads (insert)"]),
        ("update customers set name = $1", ["customers"]),
        ("select (select 1 from actions) from leads where customer_id = $1", ["actions"]),
    ],
)
def test_table_without_its_customer_is_found(statement: str, tables: list[str]) -> None:
    assert unnamed_tables(statement) == tables
