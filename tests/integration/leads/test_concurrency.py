"""Many senders at once: nothing is lost, doubled or mixed, and nobody waits without end."""

import json
import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.orm import Session

from common.billing_period import Period
from common.catalog.customers import register_customer
from common.catalog.products import register_product
from common.database.engine import get_engine
from common.leads.ingestion import ingest_leads
from common.leads.parsing import read_leads
from common.leads.results import STORED, Result, Status
from common.reports.draft import draft_report
from common.reports.months import find_month
from common.settings import settings
from tests.support.api import PROJECT, Wire, action, lead
from tests.support.locks import wait_until_one_is_blocked

CUSTOMERS = ["acme", "beta"]
CLIENTS = 16


def register_all(connection: Connection) -> None:
    for name in CUSTOMERS:
        register_customer(Session(connection), name, name, f"{name}@partner.test")
    register_product(Session(connection), "abc", "abc", None)


def some_leads(count: int, seed: int = 1) -> list[Wire]:
    chance = random.Random(seed)  # noqa: S311
    return [
        lead(
            f"lead-{number}",
            *[
                action(
                    chance.choice(["Call", "Chat", "Like"]),
                    f"2024-04-{chance.randint(1, 28):02d}T12:00:{place:02d}Z",
                    chance.choice(["High", "Medium", "Low"]),
                )
                for place in range(chance.randint(1, 6))
            ],
            customer_id=chance.choice(CUSTOMERS),
            user={"email": f"user{chance.randint(1, 12)}@people.test"},
        )
        for number in range(count)
    ]


def overlapping_batches(leads: list[Wire], seed: int) -> list[list[Wire]]:
    """Every lead whole once, and parts of it again, shuffled over batches."""
    chance = random.Random(seed)  # noqa: S311
    pieces = leads + [
        item | {"actions": chance.sample(item["actions"], chance.randint(0, len(item["actions"])))}
        for item in leads
    ]
    chance.shuffle(pieces)
    return [pieces[start : start + 20] for start in range(0, len(pieces), 20)]


def store(engine: Engine, batch: list[Wire]) -> list[Result]:
    posted = read_leads(json.dumps(batch), datetime.now(UTC), settings())
    assert not posted.refused
    with engine.begin() as connection:
        connection.exec_driver_sql("set local deadlock_timeout = '100ms'")
        return ingest_leads(connection, posted.leads, settings())


def bill(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        reports = []
        for name in CUSTOMERS:
            month = find_month(Session(connection), name, Period.parse("2024-04"))
            report, _ = draft_report(Session(connection), month)
            reports.append((report.totals, report.parts.by_user, list(report.lines)))
        return reports


def expected_bill(server: Engine, template: str, leads: list[Wire]) -> list[Any]:
    """What one client that posts every lead once is billed."""
    name = "single_client"
    with server.connect() as connection:
        connection.exec_driver_sql(f"create database {name} template {template}")
    alone = create_engine(server.url.set(database=name))
    try:
        with alone.begin() as connection:
            register_all(connection)
        store(alone, leads)
        return bill(alone)
    finally:
        alone.dispose()
        with server.connect() as connection:
            connection.exec_driver_sql(f"drop database {name} with (force)")


@pytest.fixture
def ready(configured_database: str) -> Engine:
    with get_engine().begin() as connection:
        register_all(connection)
    return get_engine()


def test_sixteen_clients_lose_and_double_nothing(
    ready: Engine, server: Engine, template: str
) -> None:
    leads = some_leads(120)
    together = Barrier(CLIENTS)

    def client(number: int) -> list[Result]:
        engine = create_engine(ready.url)
        try:
            engine.connect().close()
            together.wait()
            batches = overlapping_batches(leads, number)
            return [result for batch in batches for result in store(engine, batch)]
        finally:
            engine.dispose()

    with ThreadPoolExecutor(CLIENTS) as pool:
        results = [result for found in pool.map(client, range(CLIENTS)) for result in found]

    assert all(result.status in STORED for result in results)
    created = [result.lead_id for result in results if result.status is Status.CREATED]
    assert sorted(map(str, created)) == sorted(item["lead_id"] for item in leads)
    added = sum(result.actions_added for result in results)
    assert added == sum(len(item["actions"]) for item in leads)
    assert bill(ready) == expected_bill(server, template, leads)


_PROCESS = """
import json, sys
from functions.ingest.handler import handler
from scripts.gateway import LambdaContext

answers = []
for batch in json.load(sys.stdin):
    event = {
        "version": "2.0", "routeKey": "POST /leads", "rawPath": "/leads", "rawQueryString": "",
        "headers": {"content-type": "application/json"},
        "requestContext": {
            "http": {"method": "POST", "path": "/leads", "sourceIp": "127.0.0.1"},
            "requestId": "r", "stage": "$default"
        },
        "body": json.dumps(batch), "isBase64Encoded": False,
    }
    answers.append(handler(event, LambdaContext(aws_request_id="r")))
print("ANSWERS" + json.dumps(answers))
"""


def test_four_functions_at_once_give_the_report_of_one_client(
    ready: Engine, server: Engine, template: str
) -> None:
    leads = some_leads(60, seed=2)
    environment = os.environ | {"DATABASE_URL": ready.url.render_as_string(hide_password=False)}

    def function(number: int) -> list[Any]:
        done = subprocess.run(
            [sys.executable, "-c", _PROCESS],
            input=json.dumps(overlapping_batches(leads, number)),
            cwd=PROJECT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=True,
        )
        answers: list[Any] = json.loads(done.stdout.rpartition("ANSWERS")[2])
        return answers

    with ThreadPoolExecutor(4) as pool:
        answers = [answer for found in pool.map(function, range(4)) for answer in found]

    assert {answer["statusCode"] for answer in answers} <= {200, 201}
    bodies = [json.loads(answer["body"]) for answer in answers]
    assert sum(body["created"] for body in bodies) == len(leads)
    added = sum(result["actions_added"] for body in bodies for result in body["results"])
    assert added == sum(len(item["actions"]) for item in leads)
    assert bill(ready) == expected_bill(server, template, leads)


ANN = {"email": "ann@people.test"}
OTHER_VERSIONS: list[Wire] = [
    {"lead_type": "Webinar"},
    {"product_id": "bcd"},
    {"created_at": "2024-03-02T09:00:00Z"},
    {"user": {"phone": "1"}},
    {"user": None},
]


@pytest.mark.parametrize("ends_in", ["commit", "rollback"])
@pytest.mark.parametrize("change", OTHER_VERSIONS, ids=[str(next(iter(c))) for c in OTHER_VERSIONS])
@pytest.mark.parametrize("is_changed_first", [True, False])
def test_of_two_racing_versions_of_a_lead_one_wins_and_nothing_of_the_other_is_kept(
    ready: Engine, change: Wire, is_changed_first: bool, ends_in: str
) -> None:
    register_product(session := Session(ready), "bcd", "bcd", None)
    session.commit()
    plain = lead("lead-1", action("Call"), user=ANN)
    changed = {
        name: value
        for name, value in (lead("lead-1", action("Chat"), user=ANN) | change).items()
        if value is not None
    }
    first, second = (changed, plain) if is_changed_first else (plain, changed)
    store(ready, [lead("other")])  # nothing else is in their way
    posted = read_leads(json.dumps([first]), datetime.now(UTC), settings())

    with ThreadPoolExecutor(1) as pool, ready.connect() as connection:
        ingest_leads(connection, posted.leads, settings())
        waiting = pool.submit(store, ready, [lead("other-2"), second])
        wait_until_one_is_blocked(ready)
        getattr(connection, ends_in)()
        of_other, result = waiting.result(timeout=30)

    won = first if ends_in == "commit" else second
    assert of_other.status is Status.CREATED
    assert result.status is (Status.CONFLICT if ends_in == "commit" else Status.CREATED)
    assert [error.code for error in result.errors] == ["conflict"] * (ends_in == "commit")
    with ready.connect() as connection:
        kept = connection.scalars(text("select action_type from actions")).all()
    assert kept == [won["actions"][0]["action_type"]]


def test_same_version_that_waits_for_the_first_adds_its_actions(ready: Engine) -> None:
    store(ready, [lead("other")])
    posted = read_leads(json.dumps([lead("lead-1", action("Call"))]), datetime.now(UTC), settings())

    with ThreadPoolExecutor(1) as pool, ready.connect() as connection:
        ingest_leads(connection, posted.leads, settings())
        again = lead("lead-1", action("Call"), action("Chat"))
        waiting = pool.submit(store, ready, [again])
        wait_until_one_is_blocked(ready)
        connection.commit()
        (result,) = waiting.result(timeout=30)

    assert (result.status, result.actions_added) == (Status.UPDATED, 1)
