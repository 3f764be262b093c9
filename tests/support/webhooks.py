"""A receiver of webhooks on this machine, and the background worker's step that sends to it."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import httpx
import pytest
from sqlalchemy import text
from standardwebhooks import Webhook

from common.database.engine import in_role
from common.database.grants import SERVICE
from common.database.transactions import transaction
from common.events.sending import send_events
from common.settings import settings
from tests.support.api import Wire

EVENTS = [
    "report.finalized",
    "report.delivered",
    "dispute.opened",
    "dispute.resolved",
    "lead.quarantined",
    "import.finished",
    "export.ready",
]


class Received(NamedTuple):
    """A message as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> Wire:
        event: Wire = json.loads(self.body)
        return event

    def verify(self, secret: str) -> Any:
        """What a receiver does; raises for a wrong signature."""
        return Webhook(secret).verify(self.body, self.headers)


class Receiver:
    """Keeps what it gets. Answers with the next of `answers`, or with 204 if there is none."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.silent = threading.Event()  # while set, it does not answer
        self.arrived = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                with receiver.arrived:
                    receiver.received.append(Received(self.path, headers, body))
                    receiver.arrived.notify_all()
                while receiver.silent.is_set():
                    time.sleep(0.01)
                status, extra = receiver.answers.pop(0) if receiver.answers else (204, {})
                self.send_response(status)
                for name, value in extra.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    @contextmanager
    def running(self) -> Iterator["Receiver"]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield self
        finally:
            self.silent.clear()
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def wait_for(self, count: int, seconds: float = 30) -> None:
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.received) >= count, seconds)

    @property
    def types(self) -> list[str]:
        return [message.event["type"] for message in self.received]


def created(client: httpx.Client, receiver: Receiver, *events: str, **members: Any) -> Any:
    body = {"url": receiver.url, "events": list(events or EVENTS)} | members
    answer = client.post("/webhooks", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def send() -> bool:
    """Has the background worker send what is due."""
    with in_role(SERVICE):
        return send_events(settings(), threading.Event())


def deliveries(client: httpx.Client, webhook: Wire, **query: Any) -> Any:
    answer = client.get(f"/webhooks/{webhook['webhook_id']}/deliveries", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def make_due(*, days_ago: float = 0) -> None:
    """Has all that waits be due now; what fails has failed since so many days ago."""
    with transaction() as session:
        session.execute(
            text(
                "update webhook_deliveries set next_attempt_at = now(), "
                "failing_since = failing_since - make_interval(secs => :seconds) "
                "where delivered_at is null"
            ),
            {"seconds": days_ago * 86400},
        )


def announced(event: str) -> list[Any]:
    """What the outbox tells of events of this type, in their order."""
    with transaction() as session:
        query = "select data from webhook_deliveries where event_type = :event order by position"
        told = text(query)
        return list(session.scalars(told, {"event": event}))


def tell_nobody(client: httpx.Client, monkeypatch: pytest.MonkeyPatch, *events: str) -> None:
    """A webhook whose events wait in the outbox: nothing listens at its address."""
    monkeypatch.setenv("WEBHOOKS_TO_LOOPBACK", "true")
    settings.cache_clear()
    body = {"url": "http://127.0.0.1:9/hook", "events": list(events)}
    client.post("/webhooks", json=body).raise_for_status()
