"""A month's lines, exported and imported at another customer: the same bill to the cent."""

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.support.api import Wire, action, lead, post, register, report
from tests.support.closing import closed, post_late
from tests.support.disputes import disputed, line_of, resolved
from tests.support.exports import exported
from tests.support.rate_cards import accepted, card, rate

PRODUCTS = ("abc", "x;=1", "0012")
LEAD_TYPES = ("Website Visit", "Webinar", "Referral")
ACTION_TYPES = ("Form", "=cmd|x", "Straße, 1", 'a "call"\n+1', "-5", "'=quoted", "｜＋wide")  # noqa: RUF001
USERS = (
    None,
    {"email": "ann@people.test"},
    {"phone": "+49 30 1234567"},
    {"external_id": "=1+1"},
)
MEMBERS = (
    *("lead_id", "product_id", "lead_type", "action_type", "engagement_level", "timestamp"),
    *("gross", "billed", "savings", "outcome", "cap_used_before", "rate"),
)
FIRST = datetime(2024, 4, 1, tzinfo=UTC)
FORMATS: list[Wire] = [
    {"format": "csv"},
    {"format": "csv", "delimiter": ";", "decimal": ","},
    {"format": "csv", "delimiter": "\t"},
    {"format": "csv", "delimiter": "|"},
    {"format": "ndjson"},
]


def month_of_leads() -> list[Wire]:
    """Leads that repeat actions and cross the cap, each action at a moment of its own."""
    chance = random.Random(1)  # noqa: S311
    moments = (FIRST + timedelta(minutes=7, microseconds=1) * number for number in range(10_000))
    leads = []
    for number in range(120):
        actions = [
            action(
                chance.choice(ACTION_TYPES),
                next(moments).isoformat(),
                chance.choice(["High", "Medium", "Low"]),
            )
            for _ in range(chance.randint(1, 4))
        ]
        members = {
            "product_id": chance.choice(PRODUCTS),
            "lead_type": chance.choice(LEAD_TYPES),
            "created_at": (FIRST - timedelta(hours=number)).isoformat(),
            "user": chance.choice(USERS),
        }
        made = lead(f"+{number}", *actions, **members)
        leads.append({name: value for name, value in made.items() if value is not None})
    return leads


@pytest.fixture
def partners(api: httpx.Client) -> httpx.Client:
    """An API that knows acme with a full April, and beta without any."""
    register(api, customers={"acme": "Europe/Berlin", "beta": "Europe/Berlin"})
    for name in PRODUCTS:
        api.put(f"/products/{name}", json={"name": name}).raise_for_status()
    for name in ("acme", "beta"):
        accepted(api, card(rate("High", "33.33", lead_type="Webinar"), customer_id=name))
    post(api, month_of_leads()).raise_for_status()
    return api


def import_lines(client: httpx.Client, content: bytes) -> Any:
    mapping = {"preset": "lines", "constants": {"customer_id": "beta"}}
    answer = client.post("/imports", params={"mapping": json.dumps(mapping)}, content=content)
    assert answer.status_code == 201, answer.text
    return answer.json()


def bill(client: httpx.Client, customer: str) -> Wire:
    """What a report comes to, by all that is the same at another customer."""
    found = report(client, customer, "2024-04")
    lines: list[Wire] = []
    page: Wire = {"next_cursor": ""}
    while page["next_cursor"] is not None:
        query = {"cursor": page["next_cursor"]} if page["next_cursor"] else {}
        address = f"/billing/reports/{customer}/2024-04/lines"
        page = client.get(address, params={"limit": 100} | query).raise_for_status().json()
        lines += page["data"]
    return {name: found[name] for name in ("totals", "due", "by_product", "by_lead_type")} | {
        "users": sorted(group["totals"]["billed"] for group in found["by_user"]),
        "lines": [{name: line[name] for name in MEMBERS} for line in lines],
    }


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("status", ["draft", "final"])
def test_exported_lines_are_the_same_bill_at_another_customer(
    partners: httpx.Client, form: Wire, status: str
) -> None:
    if status == "final":
        closed(partners, "2024-04", "acme")
    content = exported(partners, "lines", customer_ids=["acme"], **form)

    done = import_lines(partners, content)

    billed = bill(partners, "acme")
    assert bill(partners, "beta") == billed
    assert done["counts"]["invalid"] == done["counts"]["conflict"] == 0
    assert done["actions_added"] == len(billed["lines"])
    outcomes = {line["outcome"] for line in billed["lines"]}
    assert outcomes == {"billed", "duplicate", "partially_capped", "capped"}
    import_lines(partners, content)
    assert bill(partners, "beta") == billed


def test_late_lines_are_of_their_own_month_and_credits_are_refused(
    april_and_may: httpx.Client,
) -> None:
    body = {"name": "Beta", "email": "billing@beta.test"}
    april_and_may.put("/customers/beta", json=body).raise_for_status()
    closed(april_and_may, "2024-04", "acme")
    post_late(april_and_may)
    dispute = disputed(april_and_may, action_id=line_of(april_and_may, "Like"))
    resolved(april_and_may, dispute)
    content = exported(april_and_may, "lines", "csv", period="2024-05", customer_ids=["acme"])

    done = import_lines(april_and_may, content)

    assert (done["counts"]["created"], done["counts"]["invalid"]) == (2, 1)
    refused = april_and_may.get(f"/imports/{done['import_id']}/refused.csv").text
    assert "product_id" in refused.splitlines()[1]
    april, may = (report(april_and_may, "beta", month) for month in ("2024-04", "2024-05"))
    assert (april["totals"]["actions"], may["totals"]["actions"]) == (2, 1)
