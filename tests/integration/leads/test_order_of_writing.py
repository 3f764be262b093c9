"""Batches that overlap wait for each other and never in a circle: each takes what is contended in
the same order.

Each test holds the first of several keys in a transaction that stays open. A batch that names the
keys the other way round runs into it. It must not have taken the last key before: another stores
that meanwhile, without waiting.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.orm import Session

from common.catalog.customers import register_customer
from common.catalog.products import register_product
from common.database.engine import get_engine
from common.leads.ingestion import ingest_leads
from common.leads.parsing import read_leads
from common.settings import settings
from tests.support.api import Wire, action, lead
from tests.support.locks import no_wait, wait_until_one_is_blocked


@pytest.fixture
def ready(configured_database: str) -> Engine:
    with get_engine().begin() as connection:
        register_customer(Session(connection), "acme", "Acme", "a@acme.test")
        register_product(Session(connection), "abc", "abc", None)
        store(connection, lead("first of all"))  # with it, the deployment notes its key
    return get_engine()


def store(connection: Connection, *leads: Wire) -> list[str]:
    posted = read_leads(json.dumps(leads), datetime.now(UTC), settings())
    assert not posted.refused
    stored = ingest_leads(connection, posted.leads, settings())
    return [result.status.value for result in stored]


def in_order_of(engine: Engine, key: str, leads: list[Wire]) -> list[Wire]:
    """Some leads by the key of a table that they are stored under."""
    table = {"lead_id": "leads", "quarantine_id": "quarantined_leads"}[key]
    external_id = {"leads": "external_id", "quarantined_leads": "lead ->> 'lead_id'"}[table]
    with engine.connect() as connection:
        store(connection, *leads)
        names = connection.scalars(text(f"select {external_id} from {table} order by {key}")).all()
        connection.rollback()
    assert {wire["lead_id"] for wire in leads} <= set(names)
    return sorted(leads, key=lambda wire: names.index(wire["lead_id"]))


@contextmanager
def blocked_by(engine: Engine, first: list[Wire], batch: list[Wire]) -> Iterator[None]:
    """While `first` is stored and not committed, and `batch` waits for it."""
    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as holding:
            store(holding, *first)
            waiting = pool.submit(stored_alone, engine, batch)
            wait_until_one_is_blocked(engine)
            yield
        assert waiting.result(timeout=60)


def stored_alone(engine: Engine, batch: list[Wire]) -> list[str]:
    with engine.begin() as connection:
        return store(connection, *batch)


def test_leads_are_stored_in_the_order_of_their_ids(ready: Engine) -> None:
    leads = in_order_of(ready, "lead_id", [lead(f"l{number}") for number in range(6)])

    with blocked_by(ready, leads[:1], leads[::-1]), no_wait(ready) as other:
        assert store(other, leads[-1]) == ["created"]


def test_actions_are_stored_in_the_order_of_their_leads(ready: Engine) -> None:
    leads = in_order_of(ready, "lead_id", [lead(f"l{number}") for number in range(6)])
    stored_alone(ready, leads)
    more = [wire | {"actions": [action()]} for wire in leads]

    with blocked_by(ready, more[:1], more[::-1]), no_wait(ready) as other:
        assert store(other, more[-1]) == ["updated"]


def test_leads_are_quarantined_in_the_order_of_their_keys(ready: Engine) -> None:
    strays = [lead(f"l{number}", product_id="lost") for number in range(6)]
    strays = in_order_of(ready, "quarantine_id", strays)

    with blocked_by(ready, strays[:1], strays[::-1]), no_wait(ready) as other:
        assert store(other, strays[-1]) == ["quarantined"]


def test_leads_are_quarantined_after_actions_are_stored(ready: Engine) -> None:
    stored_alone(ready, [lead("l1")])
    more, stray = lead("l1", action()), lead("stray", product_id="lost")

    with blocked_by(ready, [more], [stray, more]), no_wait(ready) as other:
        assert store(other, stray) == ["quarantined"]


def test_actions_are_stored_after_leads(ready: Engine) -> None:
    stored_alone(ready, [lead("old")])
    new, more = lead("new"), lead("old", action())

    with blocked_by(ready, [new], [more, new]), no_wait(ready) as other:
        assert store(other, more) == ["updated"]


def test_actions_are_respelled_in_the_order_of_their_leads(ready: Engine) -> None:
    leads = in_order_of(ready, "lead_id", [lead(f"l{number}") for number in range(6)])
    for wire in leads[::-1]:  # so that the table's own order is another
        stored_alone(ready, [wire | {"actions": [action("call")]}])
    respelled = [wire | {"actions": [action("CALL")]} for wire in leads]
    lock = text(
        "select from actions join leads using (customer_id, lead_id)"
        " where external_id = :lead_id for share of actions nowait"
    )

    with ThreadPoolExecutor(1) as pool:
        with ready.begin() as holding:
            holding.execute(lock, {"lead_id": leads[0]["lead_id"]})
            waiting = pool.submit(stored_alone, ready, respelled[::-1])
            wait_until_one_is_blocked(ready)
            with ready.begin() as other:
                other.execute(lock, {"lead_id": leads[-1]["lead_id"]})
        assert waiting.result(timeout=60) == ["unchanged"] * 6


def test_customers_are_locked_in_one_order(ready: Engine) -> None:
    names = [f"customer-{number}" for number in range(60)]
    with ready.begin() as connection:
        for name in names:
            register_customer(Session(connection), name, name, f"{name}@partner.test")
        first = connection.scalar(
            text(
                "select hashtextextended(customer_id::text, 0) from customers"
                " where external_id like 'customer-%' order by customer_id::text collate \"C\""
            )
        )
    batch = [lead(f"of {name}", customer_id=name) for name in names]

    with ThreadPoolExecutor(1) as pool:
        with ready.begin() as holding:
            holding.exec_driver_sql("select pg_advisory_xact_lock(%s)", (first,))
            waiting = pool.submit(stored_alone, ready, batch)
            wait_until_one_is_blocked(ready)
            shared = holding.scalar(
                text("select count(*) from pg_locks where locktype = 'advisory' and mode = :mode"),
                {"mode": "ShareLock"},
            )
        assert waiting.result(timeout=60) == ["created"] * 60
    assert shared == 1  # it waits for the first, and has no other
