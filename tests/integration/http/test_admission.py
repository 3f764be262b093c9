"""Places of requests: what heavy ones leave to others, the queues, and who holds no place."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import httpx
import pytest
from sqlalchemy import Connection, Engine, text

from common.database.engine import forget_engines
from common.settings import settings
from services.reports.http import admission
from tests.support.api import JSON, PROJECT, action, lead, post, register
from tests.support.sockets import socket_of

_PDF = "/billing/reports/acme/2024-04.pdf"
_SIMULATION = (PROJECT / "docs" / "samples" / "simulation.json").read_bytes()
_WAITING = text(
    "select count(*) from pg_stat_activity where application_name = 'lead-billing'"
    " and datname = current_database() and wait_event_type = 'Lock'"
)


@pytest.fixture
def acme(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """An API with fewer connections for light requests than heavy ones have, and a short queue."""
    register(api)
    post(api, lead("l1", action())).raise_for_status()
    monkeypatch.setenv("DATABASE_POOL_SIZE", "1")
    monkeypatch.setattr(admission, "_QUEUE_SECONDS", 0.5)
    monkeypatch.setattr(admission, "_MAX_WAITING", 2)
    monkeypatch.setattr(admission, "_MAX_HEAVY_WAITING", 2)
    for _ in make_anew():
        yield api


def make_anew() -> Iterator[None]:
    """Makes engines and places by the settings of now, and again by those of later."""
    for place in (1, 2):
        forget_engines()
        settings.cache_clear()
        admission._places.cache_clear()
        admission._heavy_places.cache_clear()
        if place == 1:
            yield


@contextmanager
def blocked(engine: Engine, table: str) -> Iterator[Connection]:
    with engine.begin() as blocking:
        blocking.execute(text(f"lock table {table} in access exclusive mode"))
        yield blocking


def wait_until(engine: Engine, count: int) -> None:
    """Until so many statements wait for the lock."""
    end = time.monotonic() + 10
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as watching:
        while (watching.scalar(_WAITING) or 0) != count:
            assert time.monotonic() < end, "other statements wait than expected"
            time.sleep(0.05)


def ask(client: httpx.Client, method: str, path: str) -> httpx.Response:
    body = _SIMULATION if method == "POST" else None
    with httpx.Client(base_url=client.base_url, timeout=40, trust_env=False) as own:
        return own.request(method, path, content=body, headers=JSON if body else {})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", _PDF),
        ("GET", _PDF.replace("pdf", "csv")),
        ("GET", _PDF.replace("pdf", "ndjson")),
        ("GET", "/billing/reconciliation"),
        ("POST", "/billing/simulations"),
        ("GET", "/console/statement/progress?customer_id=acme&period=2024-04"),
        ("GET", "/console/close?period=2024-04"),
    ],
)
def test_heavy_requests_leave_the_connections_of_others_alone(
    acme: httpx.Client, engine: Engine, method: str, path: str
) -> None:
    with ThreadPoolExecutor(3) as pool:
        with blocked(engine, "actions"):
            heavy = [pool.submit(ask, acme, method, path) for _ in range(3)]
            wait_until(engine, 3)
            light = [acme.get("/products").status_code for _ in range(5)]
        answers = [one.result().status_code for one in heavy]

    assert light == [200] * 5
    assert set(answers) <= {200, 422}


def test_light_requests_leave_the_places_of_heavy_ones_alone(
    acme: httpx.Client, engine: Engine
) -> None:
    with ThreadPoolExecutor(2) as pool:
        with blocked(engine, "products"):
            light = [pool.submit(ask, acme, "GET", "/products") for _ in range(2)]
            wait_until(engine, 2)
            heavy = acme.get("/billing/reconciliation").status_code
        assert [one.result().status_code for one in light] == [200, 200]

    assert heavy == 200


def _statuses(answers: list[Future[httpx.Response]]) -> list[int]:
    return sorted(one.result().status_code for one in answers if one.done())


@pytest.mark.parametrize(
    ("path", "table", "places"), [(_PDF, "actions", 3), ("/products", "products", 2)]
)
def test_who_finds_the_queue_full_or_waits_too_long_is_told_to_come_back(
    acme: httpx.Client,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    table: str,
    places: int,
) -> None:
    monkeypatch.setattr(admission, "_QUEUE_SECONDS", 3)
    with ThreadPoolExecutor(places + 2) as pool:
        with blocked(engine, table):
            asked = [pool.submit(ask, acme, "GET", path) for _ in range(places)]
            wait_until(engine, places)
            asked += [pool.submit(ask, acme, "GET", path) for _ in range(2)]
            time.sleep(1)
            began = time.monotonic()
            refused = acme.get(path)
            assert time.monotonic() - began < 1.5, "there was no room, and it waited"
            end = time.monotonic() + 10
            while len(_statuses(asked)) < 2:
                assert time.monotonic() < end
                time.sleep(0.05)
            late = [one.result() for one in asked if one.done()]
        answered = [one.result().status_code for one in asked]

    for answer in (refused, *late):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert answer.json()["type"].endswith(":busy")
    assert sorted(answered) == [200] * places + [503] * 2
    with ThreadPoolExecutor(places + 1) as pool:
        with blocked(engine, table):
            asked = [pool.submit(ask, acme, "GET", path) for _ in range(places)]
            wait_until(engine, places)
            asked.append(pool.submit(ask, acme, "GET", path))  # the queue has room again
            time.sleep(0.5)
        assert [one.result().status_code for one in asked] == [200] * (places + 1)


def test_heavy_statements_may_run_longer_than_others(
    acme: httpx.Client, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "_HEAVY_SECONDS", 1.0)
    with blocked(engine, "actions"):
        answer = acme.get(_PDF)

    assert answer.status_code == 504


@pytest.mark.parametrize("path", ["/console/sign-in", "/imports?preset=generic", "/rate-cards"])
def test_body_that_is_still_on_its_way_holds_no_place(acme: httpx.Client, path: str) -> None:
    slow = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{{"
    with ExitStack() as sockets:
        for _ in range(8):
            sockets.enter_context(socket_of(acme, slow))
        time.sleep(0.5)
        answers = [acme.get("/products").status_code for _ in range(3)]

    assert answers == [200] * 3


def test_key_has_a_limit_of_bodies_on_their_way(acme: httpx.Client) -> None:
    token = acme.post("/keys", json={"name": "k", "role": "admin"}).json()["key"]
    key = {"Authorization": f"Bearer {token}"}
    slow = (
        f"POST /rate-cards HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        "Content-Length: 10\r\n\r\n{"
    )
    with ExitStack() as sockets:
        for _ in range(8):
            sockets.enter_context(socket_of(acme, slow))
        time.sleep(0.5)
        refused = acme.get("/products", headers=key)
        others = acme.get("/products")
    end = time.monotonic() + 10
    while acme.get("/products", headers=key).status_code != 200:
        assert time.monotonic() < end, "the units of who left are not given back"
        time.sleep(0.05)

    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert others.status_code == 200


def test_client_that_leaves_before_its_body_is_a_line_of_the_log(
    acme: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "lead_billing")
    with socket_of(
        acme, "PUT /products/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"
    ):
        time.sleep(0.3)
    end = time.monotonic() + 10
    while not (lines := [line for line in caplog.records if "answered" in line.message]):
        assert time.monotonic() < end
        time.sleep(0.05)

    assert [line.__dict__["status"] for line in lines] == [499]
    assert not [line for line in caplog.records if line.exc_info]
