"""The outbox: an event is there if and only if what it tells is."""

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from common.database.transactions import transaction
from common.events.announce import announce
from common.events.event_types import EventType
from common.identifiers import customer_id
from tests.support.api import PROJECT, action, lead, post
from tests.support.closing import closed
from tests.support.disputes import disputed, resolved
from tests.support.imports import generic_csv, generic_row
from tests.support.webhooks import EVENTS, Receiver, created, deliveries, send


def told(receiver: Receiver) -> list[tuple[str, Any]]:
    assert send()
    return [(message.event["type"], message.event["data"]) for message in receiver.received]


def waiting() -> int:
    with transaction() as session:
        return session.scalar(text("select count(*) from webhook_deliveries")) or 0


def test_every_type_of_event_is_announced_somewhere() -> None:
    sources = "".join(
        file.read_text()
        for ending in ("py", "sql")
        for file in PROJECT.glob(f"common/**/*.{ending}")
    )

    assert [event.value for event in EventType] == EVENTS
    for event in EventType:
        assert f"EventType.{event.name}" in sources or f"'{event.value}')" in sources, event


def test_closing_announces_the_report_that_it_made_final(
    april_and_may: httpx.Client, receiver: Receiver
) -> None:
    created(april_and_may, receiver, "report.finalized")

    closed(april_and_may, "2024-04", "acme")

    report = april_and_may.get("/billing/reports/acme/2024-04").json()
    [(kind, data)] = told(receiver)
    assert kind == "report.finalized"
    assert {name: data[name] for name in ("customer_id", "period", "billed", "due")} == {
        "customer_id": "acme",
        "period": "2024-04",
        "billed": report["totals"]["billed"],
        "due": report["due"],
    }
    assert data["content_hash"] == report["content_hash"]


def test_closing_that_closes_nothing_announces_nothing(
    april_and_may: httpx.Client, receiver: Receiver
) -> None:
    created(april_and_may, receiver)
    april_and_may.post("/billing/periods/2024-05/close", json={"customer_ids": ["acme"]})

    assert waiting() == 0


def test_dispute_is_announced_when_it_is_opened_and_when_it_is_resolved(
    april_and_may: httpx.Client, receiver: Receiver
) -> None:
    created(april_and_may, receiver)

    dispute = disputed(april_and_may, customer_id="acme")
    resolved(april_and_may, dispute)
    resolved(april_and_may, dispute)

    events = told(receiver)
    assert [kind for kind, _ in events] == ["dispute.opened", "dispute.resolved"]
    assert [data["status"] for _, data in events] == ["open", "accepted"]
    assert {data["dispute_id"] for _, data in events} == {dispute["dispute_id"]}


def test_quarantined_leads_of_a_request_are_one_event_of_each_customer(
    acme: httpx.Client, receiver: Receiver
) -> None:
    created(acme, receiver)
    leads = [
        lead("one", action(), product_id="unknown"),
        lead("two", action(), product_id="unknown"),
        lead("three", customer_id="nobody"),
        lead("stored", action()),
    ]

    assert post(acme, leads).status_code == 207
    assert post(acme, leads).status_code == 207

    events = {data["customer_id"]: data for _, data in told(receiver)}
    assert len(receiver.received) == 2
    assert events["acme"]["count"] == 2
    assert events["acme"]["leads"] == [
        {"lead_id": name, "product_id": "unknown", "reason": "unknown_product"}
        for name in ("one", "two")
    ]
    assert events["nobody"]["leads"][0]["reason"] == "unknown_customer"
    assert "people.test" not in json.dumps(events)


def test_finished_import_is_announced_and_a_dry_run_announces_nothing(
    acme: httpx.Client, receiver: Receiver
) -> None:
    created(acme, receiver)
    content = generic_csv(generic_row("one"), generic_row("held", product_id="unknown"))
    address = "/imports?preset=generic"
    headers = {"content-type": "text/csv"}

    acme.post(f"{address}&dry_run=true", content=content, headers=headers).raise_for_status()
    assert waiting() == 0
    answer = acme.post(address, content=content, headers=headers).raise_for_status().json()

    events = dict(told(receiver))
    assert list(events) == ["lead.quarantined", "import.finished"] or len(events) == 2
    assert events["import.finished"]["import_id"] == answer["import_id"]
    assert events["import.finished"]["rows"] == 2


def test_what_is_rolled_back_is_told_nobody(acme: httpx.Client, receiver: Receiver) -> None:
    created(acme, receiver)

    def announce_and_fail() -> None:
        with transaction() as session:
            data = {"dispute_id": uuid4()}
            announce(session, customer_id("acme"), EventType.DISPUTE_OPENED, data)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        announce_and_fail()

    assert waiting() == 0
    assert not send()


def test_webhook_is_told_only_the_types_it_names(acme: httpx.Client, receiver: Receiver) -> None:
    created(acme, receiver, "report.finalized")

    post(acme, lead("held", product_id="unknown"))

    assert waiting() == 0


def test_event_of_no_customer_is_told_the_operator_alone(
    acme: httpx.Client, receiver: Receiver
) -> None:
    of_all, of_acme = created(acme, receiver), created(acme, receiver, customer_id="acme")

    with transaction() as session:
        announce(session, None, EventType.IMPORT_FINISHED, {"import_id": uuid4()})

    assert (len(deliveries(acme, of_all)), len(deliveries(acme, of_acme))) == (1, 0)
