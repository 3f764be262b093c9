"""Erasing a user: the person goes, and every bill stays as it is."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, create_engine, text

from common.database.transactions import transaction
from common.leads.erasure import erase_user
from common.leads.ingestion import ingest_leads
from common.leads.parsing import validate_lead
from common.leads.schemas import Lead, with_keys
from common.settings import settings
from tests.support.api import Wire, action, lead, post, register, report, statuses
from tests.support.locks import wait_until_one_waits

ANN, PHONE = "ann@people.test", "+15550100777"


def anns(lead_id: str, *actions: Wire, **members: Any) -> Wire:
    return lead(lead_id, *actions, user={"email": ANN, "phone": PHONE}) | members


@pytest.fixture
def billed(acme: httpx.Client) -> httpx.Client:
    """Ann and Bob, who cost as much, in a closed month, in an open one, and in quarantine."""
    many = [action(), action("Call"), *(action(f"Call {number}") for number in range(9))]  # capped
    may = action(timestamp="2024-05-02T09:00:00Z")
    sent = [
        anns("april", *many),
        lead("bobs", *many, user={"email": "bob@people.test"}),
        anns("may", may),
        lead("by-phone", may, user={"phone": PHONE}),
        anns("stray", may, product_id="later"),
    ]
    assert post(acme, sent).status_code == 207
    acme.post("/billing/periods/2024-04/close", json={}).raise_for_status()
    return acme


@pytest.fixture
def database(configured_database: str) -> Iterator[Engine]:
    engine = create_engine(configured_database)
    yield engine
    engine.dispose()


def erase(client: httpx.Client, user: str, customer: str = "acme") -> Wire:
    answer = client.post(f"/customers/{customer}/erasures", json={"user": user})
    answer.raise_for_status()
    done: Wire = answer.json()
    return done


def everything(database: Engine) -> str:
    """Every row of every table, as text."""
    with database.connect() as connection:
        tables = connection.scalars(
            text("select tablename from pg_tables where schemaname = 'public'")
        ).all()
        rows = [
            row
            for table in tables
            for row in connection.scalars(text(f'select "{table}"::text from "{table}"'))
        ]
    return "\n".join(rows)


def without_people(document: Any) -> Any:
    """A report with no user in it, and without what changes at each request."""
    if isinstance(document, dict):
        kept = document.items()
        return {
            name: without_people(value)
            for name, value in kept
            if name not in {"user", "generated_at"}
        }
    if isinstance(document, list):
        return [without_people(item) for item in document]
    return document


def test_erased_user_is_nowhere_and_every_report_as_it_was(
    billed: httpx.Client, database: Engine
) -> None:
    before = [without_people(report(billed, "acme", month)) for month in ("2024-04", "2024-05")]

    done = erase(billed, " Ann@People.test ")

    after = [without_people(report(billed, "acme", month)) for month in ("2024-04", "2024-05")]
    verified = billed.get("/billing/reports/acme/2024-04/verify").json()
    left = everything(database)
    assert done == {"leads": 3, "quarantined_leads": 1}
    assert after == before
    assert verified["verified"] is True
    assert ANN not in left
    assert PHONE not in left
    assert "bob@people.test" in left
    assert billed.get("/billing/reconciliation").json()["reconciled"] is True


@pytest.mark.parametrize("named_by", ["phone", "external id", "user key"])
def test_user_is_erased_by_whatever_names_them(
    billed: httpx.Client, database: Engine, named_by: str
) -> None:
    may = action(timestamp="2024-05-03T09:00:00Z")
    post(billed, anns("by-id", may, user={"email": ANN, "external_id": "crm-15550100888"}))
    post(billed, lead("somebody", may, user={"phone": "15550100888"}))
    names = {
        "phone": "+1 (555) 010-0777",
        "external id": "crm-15550100888",
        "user key": report(billed, "acme", "2024-04")["lines"][0]["user_key"],
    }
    before = report(billed, "acme", "2024-04")["content_hash"]

    erase(billed, names[named_by])

    left = everything(database)
    assert not any(identifier in left for identifier in (ANN, PHONE, "crm-15550100888"))
    # Neither somebody whose phone number has the digits of that id, nor anybody else.
    assert billed.get("/leads/somebody").json()["user"]["phone"] == "15550100888"
    assert "bob@people.test" in left
    assert report(billed, "acme", "2024-04")["content_hash"] == before


def test_what_a_quarantined_lead_carries_leads_to_stored_ones(
    billed: httpx.Client, database: Engine
) -> None:
    both = {"phone": "+15550100999", "external_id": "crm-7"}
    post(billed, anns("stray-by-id", action(), user={"email": ANN} | both, product_id="later"))
    post(billed, lead("by-other-phone", action(), user={"phone": both["phone"]}))
    post(billed, lead("by-id", action(), user={"external_id": both["external_id"]}))

    erase(billed, ANN)

    assert not any(value in everything(database) for value in (ANN, PHONE, *both.values()))


def test_user_is_gone_however_many_send_their_leads_meanwhile(
    billed: httpx.Client, database: Engine
) -> None:
    def send(number: int) -> int:
        stray = {} if number % 3 else {"product_id": "later"}
        with httpx.Client(base_url=billed.base_url, timeout=60, trust_env=False) as sender:
            return post(sender, anns(f"meanwhile-{number}", action(), **stray)).status_code

    with ThreadPoolExecutor(4) as senders:
        sent = senders.map(send, range(24))
        erase(billed, ANN)
        codes = set(sent)

    assert codes == {201, 202}
    assert ANN not in everything(database)
    assert PHONE not in everything(database)


def test_lead_that_is_being_stored_when_its_user_is_erased_loses_them(
    billed: httpx.Client, database: Engine
) -> None:
    under_way = validate_lead(anns("under-way", action()), datetime.now(UTC))
    assert isinstance(under_way, Lead)

    with ThreadPoolExecutor(1) as background, transaction() as storing:
        ingest_leads(storing.connection(), {0: with_keys(under_way, settings())}, settings())
        erasing = background.submit(erase, billed, ANN)
        wait_until_one_waits()

    assert erasing.result()["leads"] == 4
    assert ANN not in everything(database)


def test_lead_that_arrives_while_its_user_is_erased_is_stored_without_them(
    billed: httpx.Client, database: Engine
) -> None:
    leads = [anns("new", action()), anns("new-stray", action(), product_id="later")]

    with ThreadPoolExecutor(1) as background, transaction() as erasing:
        erase_user(erasing, "acme", ANN, settings())
        answer = background.submit(post, billed, leads)
        wait_until_one_waits()

    assert statuses(answer.result()) == ["created", "quarantined"]
    assert ANN not in everything(database)


def test_erasing_is_audited_without_the_person(billed: httpx.Client) -> None:
    erase(billed, ANN)

    (entry,) = billed.get("/audit", params={"subject": "user"}).json()["data"]

    assert (entry["action"], entry["after"]["customer_id"]) == ("erased", "acme")
    assert entry["after"]["leads"] == 3
    assert "people.test" not in json.dumps(entry)


def test_same_lead_again_does_not_bring_the_person_back(
    billed: httpx.Client, database: Engine
) -> None:
    erase(billed, ANN)

    again = post(
        billed,
        [
            anns("april", action(), action("Call")),
            anns("may", action(timestamp="2024-05-02T09:00:00Z")),
            anns("stray", action(timestamp="2024-05-02T09:00:00Z"), product_id="later"),
        ],
    )

    assert statuses(again) == ["unchanged", "unchanged", "quarantined"]
    assert ANN not in everything(database)
    assert PHONE not in everything(database)


def test_later_lead_of_an_erased_user_is_a_repeat_and_stored_without_them(
    billed: httpx.Client, database: Engine
) -> None:
    erase(billed, ANN)

    later = post(
        billed,
        [
            anns("another", action(timestamp="2024-05-20T09:00:00Z")),
            anns("another-stray", action(), product_id="nowhere"),
        ],
    )

    lines = report(billed, "acme", "2024-05")["lines"]
    repeated = next(line for line in lines if line["lead_id"] == "another")
    assert statuses(later) == ["created", "quarantined"]
    assert (repeated["outcome"], repeated["duplicate_of"]["lead_id"]) == ("duplicate", "may")
    assert ANN not in everything(database)
    assert PHONE not in everything(database)


def test_erased_lead_in_quarantine_is_replayed_under_its_user(
    billed: httpx.Client, database: Engine
) -> None:
    erase(billed, ANN)
    register(billed, products="abc later")
    (quarantined,) = billed.get("/leads/quarantined").json()["data"]

    replayed = billed.post(f"/leads/quarantined/{quarantined['quarantine_id']}/replay")

    keys = {
        line["lead_id"]: line["user_key"] for line in report(billed, "acme", "2024-05")["lines"]
    }
    assert (replayed.status_code, replayed.json()["warnings"]) == (200, [])
    assert keys["stray"] == keys["may"]
    assert ANN not in everything(database)


def test_user_of_another_customer_stays(billed: httpx.Client) -> None:
    register(billed, customers={"acme": "UTC", "beta": "UTC"})
    post(billed, anns("theirs", action(), customer_id="beta"))

    theirs = report(billed, "beta", "2024-04")

    erase(billed, ANN)
    erase(billed, theirs["lines"][0]["user_key"])
    post(billed, anns("theirs-later", customer_id="beta"))

    for lead_id in ("theirs", "theirs-later"):
        assert billed.get(f"/leads/{lead_id}").json()["user"]["email"] == ANN


def test_erasing_again_or_nobody_changes_nothing(billed: httpx.Client) -> None:
    erase(billed, ANN)

    assert erase(billed, ANN) == {"leads": 0, "quarantined_leads": 0}
    assert erase(billed, "nobody@people.test") == {"leads": 0, "quarantined_leads": 0}
    unknown = billed.post("/customers/nobody/erasures", json={"user": ANN})
    blank = billed.post("/customers/acme/erasures", json={"user": "  "})
    assert (unknown.status_code, blank.status_code) == (404, 422)
