"""Clients that hold connections, leave, or ask for more than their share."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import httpx
import pytest
from sqlalchemy import Engine, text

from services.reports.http import patience
from tests.support.api import action, lead
from tests.support.sockets import socket_of

_BUSY = text(
    "select count(*) from pg_stat_activity where application_name = 'lead-billing'"
    " and datname = current_database() and state <> 'idle'"
)


def busy_connections(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(_BUSY) or 0


def wait_for_none(engine: Engine) -> None:
    end = time.monotonic() + 40
    while busy_connections(engine):
        assert time.monotonic() < end, "connections are still held"
        time.sleep(0.05)


def received(open_socket: socket.socket) -> int:
    """How many bytes come until the server closes it."""
    count = 0
    with suppress(ConnectionResetError):
        while piece := open_socket.recv(65536):
            count += len(piece)
    return count


def get(path: str) -> str:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def large_month(gateway: httpx.Client) -> str:
    """The address of a report whose file is larger than what sockets hold."""
    gateway.put("/customers/acme", json={"name": "Acme", "email": "a@acme.test"}).raise_for_status()
    gateway.put("/products/abc", json={"name": "abc"}).raise_for_status()
    leads = [
        lead(f"l{number}", *(action(f"Call {place} {'x' * 60}") for place in range(20)))
        for number in range(100)
    ]
    gateway.post("/leads", json=leads).raise_for_status()
    return "/billing/reports/acme/2024-04"


def test_client_that_does_not_read_holds_no_connection(
    gateway: httpx.Client, engine: Engine, large_month: str
) -> None:
    with ExitStack() as sockets:
        for extension in ("csv", "ndjson") * 3:
            sockets.enter_context(socket_of(gateway, get(f"{large_month}.{extension}")))
        time.sleep(1)
        wait_for_none(engine)

        assert gateway.get("/customers").is_success


def test_client_that_leaves_ends_its_statement(gateway: httpx.Client, engine: Engine) -> None:
    with engine.begin() as blocking:
        blocking.execute(text("lock table customers in access exclusive mode"))
        with socket_of(gateway, get("/customers")):
            end = time.monotonic() + 10
            while not busy_connections(engine):
                assert time.monotonic() < end
                time.sleep(0.05)
        end = time.monotonic() + 5
        while busy_connections(engine):
            assert time.monotonic() < end, "the statement goes on"
            time.sleep(0.05)


def test_key_has_a_limit_of_requests_under_way(gateway: httpx.Client, engine: Engine) -> None:
    token = gateway.post("/keys", json={"name": "k", "role": "viewer"}).json()["key"]
    other = gateway.post("/keys", json={"name": "o", "role": "viewer"}).json()["key"]

    def ask(key: str) -> int:
        with httpx.Client(base_url=gateway.base_url, timeout=30, trust_env=False) as client:
            answer = client.get("/customers", headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code != 429 or "Retry-After" in answer.headers
        return answer.status_code

    with ThreadPoolExecutor(20) as pool:
        with engine.begin() as blocking:
            blocking.execute(text("lock table products in access exclusive mode"))
            blocking.execute(text("lock table customers in exclusive mode"))
            ask(other)  # both keys are known from now on
            ask(token)
            blocking.execute(text("lock table customers in access exclusive mode"))
            many = [pool.submit(ask, token) for _ in range(12)]
            end = time.monotonic() + 10
            while sum(one.done() for one in many) < 12 - 8:
                assert time.monotonic() < end
                time.sleep(0.05)
            another = pool.submit(ask, other)
        statuses = sorted(one.result() for one in many)

    assert statuses == [200] * 8 + [429] * 4
    assert another.result() == 200


def test_request_that_does_not_arrive_and_answer_that_is_not_read_are_given_up(
    gateway: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "REQUEST_SECONDS", 0.5)
    monkeypatch.setattr(patience, "READ_SECONDS", 0.5)
    slow = "POST /leads HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{"
    with (
        socket_of(gateway, "") as silent,
        socket_of(gateway, "GET /customers HT") as no_head,
        socket_of(gateway, slow) as no_body,
    ):
        assert [received(stuck) for stuck in (silent, no_head, no_body)] == [0, 0, 0]
    whole = 100 * len(gateway.get("/openapi.json").content)  # more than sockets hold
    with socket_of(gateway, 100 * get("/openapi.json")) as unread:
        time.sleep(8)
        assert received(unread) < whole
