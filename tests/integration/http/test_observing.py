"""What is seen from outside: ids from the gateway to the database, logs, metrics."""

import asyncio
import io
import json
import logging
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from math import isnan
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, text
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from common.observability import metrics
from common.observability.metrics import Metric, record, sinks
from common.settings import settings
from scripts.local_server import load_gateway
from services.reports.gauges import _client
from services.reports.http.request_logging import Observed, log_as_json, write_to_cloudwatch
from services.reports.http.tracing import Tracing
from tests.support.api import JSON, PROJECT, action, lead, post
from tests.support.waiting_leads import a_queue

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


# --- one id


@pytest.mark.parametrize(
    ("sent", "used"),
    [
        ({"x-correlation-id": "order-7/a", "x-request-id": "other"}, "order-7/a"),
        ({"x-request-id": "request-7"}, "request-7"),
        ({"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}, TRACE),
        ({"x-request-id": "a b", "x-correlation-id": "*/ drop"}, None),
        ({"traceparent": f"00-{'0' * 32}-00f067aa0ba902b7-01"}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("path", ["/leads", "/billing/runs", "/nowhere"])
def test_sound_id_comes_back_and_an_unsound_one_is_replaced(
    api: httpx.Client, path: str, sent: dict[str, str], used: str | None
) -> None:
    answer = api.request("POST" if path == "/leads" else "GET", path, headers=sent)

    correlation_id = answer.headers["x-correlation-id"]
    assert correlation_id == used if used else re.fullmatch(r"[0-9a-f-]{32,36}", correlation_id)


@pytest.mark.parametrize(("method", "path"), [("POST", "/leads"), ("GET", "/leads/none")])
def test_problem_names_the_id_of_its_request(api: httpx.Client, method: str, path: str) -> None:
    answer = api.request(method, path, headers={"x-request-id": "request-7"})

    assert answer.json()["correlation_id"] == "request-7"


@pytest.mark.parametrize("route", ["function", "service"])
def test_database_shows_which_request_a_statement_is_for(
    acme: httpx.Client, engine: Engine, route: str
) -> None:
    def ask() -> None:
        headers = JSON | {"x-correlation-id": f"to-{route}"}
        if route == "function":
            acme.post("/leads", json=lead("lead-1", action()), headers=headers)
        else:
            acme.put("/products/abc", json={"name": "abc"}, headers=headers)

    with engine.begin() as connection:
        connection.exec_driver_sql("lock table leads, products")
        asking = threading.Thread(target=ask)
        asking.start()
        seen = _wait_for_statement_of(engine, f"to-{route}")
    asking.join()

    assert seen.startswith(f"/* to-{route} */ ")


def _wait_for_statement_of(engine: Engine, correlation_id: str) -> str:
    for _ in range(200):
        with engine.connect() as connection:
            statement = connection.scalar(
                text(
                    "select query from pg_stat_activity where wait_event_type = 'Lock'"
                    " and datname = current_database() and query like :start"
                ),
                {"start": f"/* {correlation_id} */%"},
            )
        if statement is not None:
            return str(statement)
        time.sleep(0.05)
    raise AssertionError("no statement of that request waits")


def test_databases_log_shows_which_request_a_statement_was_for(
    acme: httpx.Client,
    engine: Engine,
    server: Engine,
    server_dir: Path,
) -> None:
    with server.connect() as connection:
        connection.exec_driver_sql(
            f"alter database {engine.url.database} set log_min_duration_statement = 0"
        )
    with engine.begin() as connection:  # connections that are open know nothing of it
        connection.exec_driver_sql(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )

    acme.get("/products", headers={"x-correlation-id": "look-for-me"}).raise_for_status()

    assert "/* look-for-me */ SELECT" in (server_dir / "postgres.log").read_text()


# --- logs


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the service logs meanwhile."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    for handler in before:
        root.removeHandler(handler)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # the tests' own client
    written = io.StringIO()
    log_as_json(stream=written)
    yield written
    root.handlers[:] = before
    root.setLevel(level)


def test_service_logs_each_request_in_a_line_of_json(acme: httpx.Client, log: io.StringIO) -> None:
    query = {"user": "ann.private@people.test", "customer_id": "acme"}
    acme.get("/leads", params=query, headers={"x-request-id": "request-7"})

    line = _line_with(log, "route", "request-7")
    assert (line["route"], line["method"], line["status"]) == ("/leads", "GET", 200)
    assert line["service"] == "lead-billing-reports"
    assert "private" not in log.getvalue()


def test_unexpected_error_is_logged_with_its_traceback_and_the_id(
    acme: httpx.Client, engine: Engine, log: io.StringIO
) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "drop table parked_customers, billing_report_line_blocks cascade"
        )

    answer = acme.get("/billing/runs", headers={"x-request-id": "request-7"})

    error = _line_with(log, "exception", "request-7")
    assert (answer.status_code, answer.headers["x-correlation-id"]) == (500, "request-7")
    assert (error["level"], "Traceback" in error["exception"]) == ("ERROR", True)


def test_unexpected_error_is_logged_once(
    acme: httpx.Client, engine: Engine, log: io.StringIO
) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("drop table parked_customers cascade")

    acme.get("/billing/runs", headers={"x-request-id": "request-7"})

    _line_with(log, "route", "request-7")
    time.sleep(0.2)  # the server's own line would come behind it
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert len([line for line in lines if "exception" in line]) == 1


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("53100", "the database's disk is full: nothing can be stored until it has room again"),
        ("57P01", "the database is stopping or starting; try again shortly"),
    ],
)
def test_outage_is_a_line_of_each_request_that_says_why(
    acme: httpx.Client, engine: Engine, log: io.StringIO, state: str, words: str
) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "create function fail() returns trigger language plpgsql as $$ begin "
            f"raise sqlstate '{state}'; end $$"
        )
        connection.exec_driver_sql(
            "create trigger fail before insert on products for each row execute function fail()"
        )
    ids = [f"request-{number}" for number in range(3)]

    answers = [
        acme.put("/products/x", json={"name": "X"}, headers={"x-request-id": id_}) for id_ in ids
    ]

    assert {(answer.status_code, answer.json()["detail"]) for answer in answers} == {(503, words)}
    for id_ in ids:
        line = _line_with(log, "route", id_)
        assert (line["reason"], state in line["cause"]) == (words, True)
    time.sleep(0.2)
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["message"] for line in lines] == ["answered"] * 3


def test_local_server_writes_a_line_of_the_function_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers.clear()
    try:
        load_gateway()
        logging.getLogger("lead-billing-ingest").warning("the database is away")
        logging.getLogger("lead_billing.requests").warning("another line")
    finally:
        root.handlers[:] = before
        root.setLevel(level)

    of_the_service = capsys.readouterr().err
    assert "another line" in of_the_service
    assert "the database is away" not in of_the_service  # the function has written it itself


def _line_with(log: io.StringIO, member: str, correlation_id: str) -> Any:
    """The request's one line with such a member; it is written when the answer is on its way."""
    for _ in range(100):
        lines = [json.loads(line) for line in log.getvalue().splitlines()]
        of_request = [line for line in lines if line.get("correlation_id") == correlation_id]
        if found := [line for line in of_request if member in line]:
            (line,) = found
            return line
        time.sleep(0.02)
    raise AssertionError(f"no line has {member}")


# --- metrics


def scraped(client: httpx.Client) -> dict[tuple[str, ...], float]:
    """Every sample by its name and the values of its labels."""
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_prometheus_sees_what_was_accepted_and_what_was_refused_by_code(
    acme: httpx.Client,
) -> None:
    before = scraped(acme)

    batch = [lead("l1", action(), action("Call")), lead("l2", lead_type="Palm Reading")]
    post(acme, [*batch, lead("l3", customer_id="nobody")])
    post(acme, b"{")

    after = scraped(acme)
    grown = {name: after[name] - before.get(name, 0) for name in after}
    assert grown["lead_billing_leads_created_total",] == 1
    assert grown["lead_billing_actions_added_total",] == 2
    assert grown["lead_billing_leads_quarantined_total",] == 1
    assert grown["lead_billing_refused_total", "unknown_lead_type"] == 1
    assert grown["lead_billing_refused_total", "malformed-request"] == 1
    assert after["lead_billing_quarantined_now",] == 1


def test_prometheus_sees_requests_by_the_template_of_their_route(acme: httpx.Client) -> None:
    acme.get("/leads/a-private-name")
    acme.get("/no/such/address")

    after = scraped(acme)
    assert after["lead_billing_requests_total", "GET", "/leads/{lead_id:id}", "404"] >= 1
    assert after["lead_billing_requests_total", "any", "none", "404"] >= 1
    assert after["lead_billing_request_seconds_count", "GET", "/leads/{lead_id:id}"] >= 1
    assert not any("private" in part for name in after for part in name)


def test_prometheus_sees_what_a_closing_run_saved_and_how_long_it_took(
    acme: httpx.Client,
) -> None:
    post(acme, lead("l1", action(), action(timestamp="2024-04-01T10:06:00Z")))
    assert scraped(acme)["lead_billing_overdue_now",] == 1
    before = scraped(acme)

    acme.post("/billing/periods/2024-04/close").raise_for_status()

    after = scraped(acme)
    grown = {name: after[name] - before.get(name, 0) for name in after}
    assert grown["lead_billing_reports_closed_total",] == 1
    assert grown["lead_billing_cents_billed_total",] == 1000
    assert grown["lead_billing_cents_saved_duplicate_total",] == 1000
    assert grown["lead_billing_duplicates_total",] == 1
    assert grown["lead_billing_close_seconds_count",] == 1
    assert after["lead_billing_overdue_now",] == 0


def test_late_actions_and_parked_customers_are_counted(acme: httpx.Client) -> None:
    post(acme, lead("l1", action()))
    acme.post("/billing/periods/2024-04/close").raise_for_status()
    post(acme, lead("l2", action("Call"), action("Visit", "2024-06-03T10:00:00Z")))
    before = scraped(acme)

    acme.post("/billing/periods/2024-05/close").raise_for_status()

    after = scraped(acme)
    grown = {name: after[name] - before.get(name, 0) for name in after}
    assert grown["lead_billing_late_actions_total",] == 1
    assert grown["lead_billing_cents_billed_total",] == 1000  # of the prior-period line


def test_prometheus_sees_how_long_the_queue_is(
    acme: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told() -> float:
        settings.cache_clear()
        _client.cache_clear()
        return scraped(acme)["lead_billing_queued_now",]

    without = told()
    with a_queue(monkeypatch) as room:
        room.send("a")
        room.send("b")
        room.receive()
        room.send("c")
        with_queue = told()
        monkeypatch.setenv("QUEUE_URL", room.url + "-gone")
        gone = told()
    monkeypatch.delenv("QUEUE_URL")
    settings.cache_clear()

    assert (isnan(without), with_queue, isnan(gone)) == (True, 3, True)


def test_metrics_are_not_for_those_outside(acme: httpx.Client) -> None:
    answer = acme.get("/metrics", headers={"x-gateway-request-id": "any"})

    assert answer.status_code == 404


@pytest.mark.parametrize(("address", "status"), [("127.0.0.1", 200), ("192.0.2.7", 404)])
def test_metrics_of_the_local_server_are_for_this_machine(
    configured_database: str, address: str, status: int
) -> None:
    async def ask() -> int:
        transport = httpx.ASGITransport(load_gateway(), client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return (await client.get("/metrics")).status_code

    assert asyncio.run(ask()) == status


def test_service_writes_its_metrics_for_cloudwatch(
    acme: httpx.Client, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "sinks", [*sinks, write_to_cloudwatch])

    record(Metric.REQUESTS, 1, route="/leads", method="GET", status="200")

    (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    directive = line["_aws"]["CloudWatchMetrics"][0]
    assert directive["Namespace"] == "LeadBilling"
    assert {"route", "method", "status", "service"} == set(directive["Dimensions"][0])
    assert (line["Requests"], line["route"]) == ([1.0], "/leads")


def test_every_metric_is_recorded_somewhere() -> None:
    code = "".join(
        path.read_text()
        for folder in ("common", "functions", "services")
        for path in (PROJECT / folder).rglob("*.py")
        if path.name != "metrics.py" or path.parent.name == "routes"
    )
    by_status = {
        f"LEADS_{name}" for name in ("CREATED", "UPDATED", "UNCHANGED", "VOIDED", "QUARANTINED")
    }
    by_status |= {"LEADS_CONFLICT", "LEADS_INVALID", "LEADS_QUEUED"}

    unused = {m.name for m in Metric if f"Metric.{m.name}" not in code} - by_status
    assert unused == set()


# --- traces


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Where X-Ray's daemon would listen."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(10)
        monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", f"127.0.0.1:{listener.getsockname()[1]}")
        yield listener


def traced(header: str) -> httpx.Response:
    """What a service with traces on answers."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await Response("found nothing", 404)(scope, receive, send)

    def on_error(_request: Request, error: Exception) -> Response:
        raise error

    tracing = Tracing("lead-billing-reports")

    async def ask() -> httpx.Response:
        observed = Observed(answer, on_error, tracing)
        transport = httpx.ASGITransport(observed)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.get(
                "/leads/ann?user=private",
                headers={"x-amzn-trace-id": header, "x-request-id": "r-7"},
            )

    try:
        return asyncio.run(ask())
    finally:
        tracing._emitter._socket.close()


def test_service_sends_a_segment_of_its_request_when_traces_are_on(daemon: socket.socket) -> None:
    traced(_SAMPLED)

    header, _, sent = daemon.recv(65536).partition(b"\n")
    segment = json.loads(sent)
    assert json.loads(header) == {"format": "json", "version": 1}
    assert segment["trace_id"] == "1-66000000-aaaaaaaaaaaaaaaaaaaaaaaa"
    assert segment["parent_id"] == "bbbbbbbbbbbbbbbb"
    assert segment["http"]["response"]["status"] == 404
    assert segment["annotations"]["correlation_id"] == "r-7"
    assert b"private" not in sent


def test_request_that_is_not_sampled_sends_nothing(daemon: socket.socket) -> None:
    daemon.settimeout(0.2)

    traced("Root=1-66000000-aaaaaaaaaaaaaaaaaaaaaaaa;Sampled=0")

    with pytest.raises(TimeoutError):
        daemon.recv(65536)


@pytest.mark.parametrize("header", ["", "Root=what;Sampled=?", "Root=1-6600;Sampled=1"])
def test_no_daemon_and_no_sound_header_fail_a_request(daemon: socket.socket, header: str) -> None:
    daemon.close()

    assert traced(header).status_code == 404


_SAMPLED = "Root=1-66000000-aaaaaaaaaaaaaaaaaaaaaaaa;Parent=bbbbbbbbbbbbbbbb;Sampled=1"
_ON_LAMBDA = {"LAMBDA_TASK_ROOT": "/var/task", "_X_AMZN_TRACE_ID": _SAMPLED}


@pytest.mark.parametrize("where", [{}, _ON_LAMBDA], ids=["here", "on_lambda"])
def test_function_answers_with_traces_on_and_no_daemon(where: dict[str, str]) -> None:
    code = (
        "import json; from scripts.gateway import LambdaContext;"
        "from functions.ingest import spill_queue; from functions.ingest.handler import handler;"
        "event = json.load(open('functions/ingest/events/post_not_json.json'));"
        "print(int(handler(event, LambdaContext('aws-1'))['statusCode']))"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("POWERTOOLS_TRACE")}

    said = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT,
        env=environment | where | {"TRACE": "true"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert said.returncode == 0, said.stderr
    assert said.stdout.splitlines()[-1] in {"400", "401"}
