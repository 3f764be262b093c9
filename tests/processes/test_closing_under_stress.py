"""Closing while all else goes on, or server or database are killed: nothing lost, nothing twice."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, create_engine, text

from common.billing_period import Period
from common.catalog.customers import get_customer as stored_customer
from common.closing.close_period import close_period
from common.database.engine import forget_engines
from common.database.transactions import transaction
from common.leads.ingestion import ingest_leads
from common.leads.parsing import validate_lead
from common.leads.schemas import Lead, with_keys
from common.settings import settings
from scripts.embedded_postgres import EmbeddedPostgres
from scripts.migrate import upgrade_schema
from scripts.verify_report import cents
from tests.support.api import Wire, action, lead, post, register, report
from tests.support.closing import by_customer, close, closed
from tests.support.locks import wait_until_one_waits
from tests.support.processes import owner_process, run_sql, running, server_pid

CUSTOMERS = {"acme": "Asia/Kolkata", "beta": "America/St_Johns"}
MONTHS = ("2024-04", "2024-05")


def traffic(sender: int) -> Iterator[list[Wire]]:
    """Batches of leads in both months, with repeats of others' actions and of whole leads."""
    for number in range(12):
        month = MONTHS[number % 2]
        batch = [
            lead(
                f"lead-{sender}-{number}-{customer}",
                action(f"Kind {number % 4}", f"{month}-{sender + 2:02d}T12:00:00Z"),
                action(f"Own {sender} {number}", f"{month}-20T12:00:00Z", "Medium"),
                customer_id=customer,
                user={"email": f"{number % 3}@people.test"},
            )
            for customer in CUSTOMERS
        ]
        yield batch + ([batch[0] | {"lead_id": f"again-{sender}"}] if number == 5 else [])


def test_posters_and_closers_at_once_lose_nothing_and_bill_nothing_twice(
    api: httpx.Client,
) -> None:
    register(api, customers=CUSTOMERS)

    def send(sender: int) -> int:
        batches = list(traffic(sender))
        for batch in [*batches, batches[3]]:
            post(api, batch).raise_for_status()
        return sum(len(item["actions"]) for batch in batches for item in batch)

    def close_again_and_again(_: int) -> list[int]:
        return [close(api, month).status_code for month in MONTHS * 4]

    with ThreadPoolExecutor(8) as clients:
        sent = clients.map(send, range(4))
        answers = clients.map(close_again_and_again, range(3))
        total = sum(sent)
        assert {status for statuses in answers for status in statuses} <= {200, 409}
    closed(api, "2024-04")
    closed(api, "2024-05")

    found = api.get("/billing/reconciliation").json()
    assert found["reconciled"] is True, found
    assert found["actions"] == total
    runs = api.get("/billing/runs", params={"limit": 500}).json()["data"]
    assert sum(run["closed"] for run in runs) == 4
    for customer in CUSTOMERS:
        for month in MONTHS:
            checked = api.get(f"/billing/reports/{customer}/{month}/verify").json()
            assert checked["verified"] is True, checked
        costs: dict[tuple[str, str], int] = {}
        for month in (*MONTHS, "2024-06"):
            bill = report(api, customer, month)
            for line in bill["lines"]:
                key = month, line["user_key"]
                costs[key] = costs.get(key, 0) + cents(line["billed"])
            for line in bill["prior_period"]["lines"]:
                key = line["period"], line["user_key"]
                costs[key] = costs.get(key, 0) + cents(line["billed"])
        assert all(cost <= 10_000 for cost in costs.values())
        assert {month for month, _ in costs} <= set(MONTHS)


def test_close_waits_for_a_lead_that_is_being_stored(acme: httpx.Client) -> None:
    post(acme, lead("stored", action("Other"))).raise_for_status()
    under_way = validate_lead(lead("under-way", action()), datetime.now(UTC))
    assert isinstance(under_way, Lead)
    request = acme.build_request("POST", "/billing/periods/2024-04/close")

    with ThreadPoolExecutor(1) as background, transaction() as storing:
        ingest_leads(storing.connection(), {0: with_keys(under_way, settings())}, settings())
        run = background.submit(acme.send, request)
        wait_until_one_waits()

    assert run.result().json()["due"] == "20.00"
    assert acme.get("/billing/reconciliation").json()["final_lines"] == 2


def test_lead_that_is_stored_while_its_month_is_closed_is_late(acme: httpx.Client) -> None:
    post(acme, lead("stored", action())).raise_for_status()
    late = lead("late", action("Other"))
    request = acme.build_request("POST", "/leads", json=late)

    with ThreadPoolExecutor(1) as background, transaction() as closing:
        run_id = closing.execute(
            text(
                "insert into billing_runs (period, actor) values ('2024-04-01', 'a test') "
                "returning run_id"
            )
        ).scalar_one()
        customer_id = stored_customer(closing, "acme").customer_id
        close_period(closing, customer_id, Period.parse("2024-04"), run_id)
        answer = background.submit(acme.send, request)
        wait_until_one_waits()

    assert answer.result().status_code == 201
    found = acme.get("/billing/reconciliation").json()
    assert (found["reconciled"], found["final_lines"]) == (True, 1)
    assert found["prior_period_lines"]["draft"] == 1


@contextmanager
def pointed_at(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process's settings and engine lead to that database within the block."""
    with monkeypatch.context() as patch:
        patch.setenv("DATABASE_URL", url)
        patch.setenv("CUSTOMERS_CLOSED_AT_ONCE", "1")
        settings.cache_clear()
        forget_engines()
        yield
    settings.cache_clear()
    forget_engines()


SLEEP_IN_BETA = """
create function wait_in_beta() returns trigger language plpgsql as $$
begin
    if new.customer_name = 'The beta' then perform pg_sleep(60); end if;
    return new;
end $$;
create trigger wait_in_beta before insert on billing_reports
for each row execute function wait_in_beta()
"""


def wait_until_asleep(url: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if run_sql(url, "select 1 from pg_stat_activity where wait_event = 'PgSleep'"):
            return
        time.sleep(0.05)
    raise AssertionError("nothing was being closed")


def test_killed_database_in_the_middle_of_a_close_is_completed_by_the_next_close(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gateway_address: str
) -> None:
    customers = {"acme": "UTC", "beta": "UTC", "gamma": "UTC"}
    client = httpx.Client(base_url=gateway_address, timeout=60, trust_env=False)
    with client, ThreadPoolExecutor(1) as background:
        with owner_process(tmp_path) as (owner, url), pointed_at(url, monkeypatch):
            engine = create_engine(url)
            with engine.connect() as connection:
                upgrade_schema(connection)
            engine.dispose()
            register(client, customers=customers)
            for name in customers:
                post(client, lead(f"lead-{name}", action(), customer_id=name)).raise_for_status()
            run_sql(url, SLEEP_IN_BETA)
            closing = background.submit(close, client, "2024-04")
            wait_until_asleep(url)
            owner.kill()
            owner.wait()
            os.kill(server_pid(tmp_path), signal.SIGKILL)
            assert closing.result(timeout=60).status_code == 503

        with EmbeddedPostgres(tmp_path) as url, pointed_at(url, monkeypatch):
            run_sql(url, "drop trigger wait_in_beta on billing_reports")
            half: dict[str, Any] = {
                entry["customer_id"]: entry["status"]
                for entry in client.get("/billing/reports").json()["data"]
            }
            again = closed(client, "2024-04")
            cut_short = client.get("/billing/runs").json()["data"][-1]
            found = client.get("/billing/reconciliation").json()
            checked = [
                client.get(f"/billing/reports/{name}/2024-04/verify").json()["verified"]
                for name in customers
            ]

    assert half == {"acme": "final", "beta": "draft", "gamma": "draft"}
    assert by_customer(again) == {
        "acme": ("already_closed", "0.00"),
        "beta": ("closed", "10.00"),
        "gamma": ("closed", "10.00"),
    }
    assert cut_short["finished_at"] is None
    assert (found["reconciled"], found["actions"], found["final_lines"]) == (True, 3, 3)
    assert checked == [True, True, True]


WAIT_IN_BETA = """
create function wait_in_beta() returns trigger language plpgsql as $$
begin
    if new.customer_name = 'The beta' then perform pg_advisory_xact_lock(4711); end if;
    return new;
end $$;
create trigger wait_in_beta before insert on billing_reports
for each row execute function wait_in_beta()
"""


def wait_until_it_waits(url: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if run_sql(url, "select 1 from pg_locks where not granted and objid = 4711"):
            return
        time.sleep(0.05)
    raise AssertionError("nothing was being closed")


def test_killed_server_in_the_middle_of_a_close_is_completed_by_the_next_close(
    tmp_path: Path, database_url: str, engine: Engine
) -> None:
    customers = {"acme": "UTC", "beta": "UTC", "gamma": "UTC"}
    run_sql(database_url, WAIT_IN_BETA)
    with (
        running(tmp_path, DATABASE_URL=database_url, CUSTOMERS_CLOSED_AT_ONCE="1") as (
            server,
            client,
        ),
        engine.connect() as holder,
        ThreadPoolExecutor(1) as background,
    ):
        register(client, customers=customers)
        for name in customers:
            post(client, lead(f"lead-{name}", action(), customer_id=name)).raise_for_status()
        holder.execute(text("select pg_advisory_xact_lock(4711)"))
        closing = background.submit(close, client, "2024-04")
        wait_until_it_waits(database_url)
        server.kill()
        server.wait()
        with pytest.raises(httpx.TransportError):
            closing.result(timeout=60)

    with running(tmp_path, DATABASE_URL=database_url, CUSTOMERS_CLOSED_AT_ONCE="1") as (_, client):
        half = {
            entry["customer_id"]: entry["status"]
            for entry in client.get("/billing/reports").json()["data"]
        }
        again = closed(client, "2024-04")
        cut_short = client.get("/billing/runs").json()["data"][-1]
        found = client.get("/billing/reconciliation").json()
        checked = [
            client.get(f"/billing/reports/{name}/2024-04/verify").json()["verified"]
            for name in customers
        ]

    assert half == {"acme": "final", "beta": "draft", "gamma": "draft"}
    assert by_customer(again) == {
        "acme": ("already_closed", "0.00"),
        "beta": ("closed", "10.00"),
        "gamma": ("closed", "10.00"),
    }
    assert cut_short["finished_at"] is None
    assert (found["reconciled"], found["actions"], found["final_lines"]) == (True, 3, 3)
    assert checked == [True, True, True]
