"""The Python client without a server: what it sends again, and what it reads of a newer server."""

import asyncio
import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from inspect import signature
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

import lead_billing_client
from lead_billing_client import (
    AsyncClient,
    Client,
    NotVerified,
    Retries,
    async_caller,
    caller,
    models,
    verify_webhook,
)
from lead_billing_client.errors import NoAnswer, ServerError, TooManyRequests, error_of
from lead_billing_client.operations import AsyncOperations, Operations
from lead_billing_client.version import VERSION
from tests.support.api import PROJECT
from tests.support.python_client import Waiting

LIVE = {"status": "live", "version": "1"}
EXPORT = models.ExportBody(kind=models.ExportKind.lines, period="2024-04")
Answer = httpx.Response | httpx.TransportError
Make = Callable[..., Any]


class Server:
    """Answers with one after the other, and keeps what it was sent."""

    def __init__(self, *answers: Answer) -> None:
        self.answers, self.asked = list(answers), list[httpx.Request]()

    def __call__(self, asked: httpx.Request) -> httpx.Response:
        self.asked.append(asked)
        answer = self.answers.pop(0)
        if isinstance(answer, httpx.TransportError):
            raise answer
        return answer

    async def later(self, asked: httpx.Request) -> httpx.Response:
        return self(asked)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that a client makes, which take no time."""
    made: list[float] = []

    async def pause(seconds: float) -> None:
        made.append(seconds)

    # In this module alone: a server of other tests may sleep in its thread.
    monkeypatch.setattr(caller, "time", SimpleNamespace(sleep=made.append))
    monkeypatch.setattr(async_caller, "asyncio", SimpleNamespace(sleep=pause))
    return made


@pytest.fixture(params=["waits", "coroutines"])
def make(request: pytest.FixtureRequest, pauses: list[float]) -> Iterator[Make]:
    """Makes a client of a server, of either kind."""
    with asyncio.Runner() as runner:

        def made(server: Server, **options: Any) -> Any:
            if request.param == "waits":
                return Client("http://api", transport=httpx.MockTransport(server), **options)
            transport = httpx.MockTransport(server.later)
            return Waiting(runner, AsyncClient("http://api", transport=transport, **options))

        yield made


def busy(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(
        status, headers={name.replace("_", "-"): v for name, v in headers.items()}
    )


def test_request_is_sent_again_after_the_pause_that_the_server_names(
    make: Make, pauses: list[float]
) -> None:
    answers = (busy(429, retry_after="7"), busy(503), httpx.ReadTimeout(""))
    server = Server(*answers, httpx.Response(200, json=LIVE))

    assert make(server).get_liveness().version == "1"

    assert len(server.asked) == 4
    assert 7 <= pauses[0] <= 7.5
    assert 0 <= pauses[1] <= 1
    assert 0 <= pauses[2] <= 2


def test_request_that_fails_again_and_again_raises_the_last_failure(make: Make) -> None:
    with pytest.raises(ServerError, match="answered 503"):
        make(Server(*[busy(503)] * 2), retries=Retries(tries=2)).get_liveness()
    with pytest.raises(NoAnswer, match="gone"):
        make(Server(httpx.ConnectError("gone")), retries=Retries(tries=1)).get_liveness()


def test_request_is_not_sent_again_where_the_server_names_a_very_long_pause(make: Make) -> None:
    server = Server(busy(429, retry_after="3600"))

    with pytest.raises(TooManyRequests):
        make(server).get_liveness()

    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [400, 404, 409, 422, 500, 501])
def test_answer_that_would_be_the_same_again_is_raised_at_once(make: Make, status: int) -> None:
    server = Server(httpx.Response(status, json={"detail": "no"}))

    with pytest.raises(lead_billing_client.ApiError, match="no"):
        make(server).get_liveness()

    assert len(server.asked) == 1


def test_post_is_sent_again_with_the_key_of_its_first_try(make: Make) -> None:
    export = {
        **{"export_id": "e", "kind": "lines", "format": None, "period": "2024-04"},
        **{"customer_count": None, "status": "queued", "rows_done": 0, "rows_expected": None},
        **{"created_at": "2024-05-01T00:00:00Z", "finished_at": None, "expires_at": None},
        **{"error": None, "file_name": None, "file_bytes": None},
    }
    queued = httpx.Response(202, json=export)
    worked_on = busy(409, retry_after="1")
    failures = (httpx.ReadError("cut"), worked_on, busy(503))
    server = Server(*failures, queued, httpx.Response(202, json=export))
    client = make(server)

    client.order_export(EXPORT)
    client.order_export(EXPORT)

    *tries, other = (asked.headers["idempotency-key"] for asked in server.asked)
    assert len(tries) == 4
    assert len(set(tries)) == 1
    assert other not in tries


def test_leads_need_no_key_and_are_sent_again(make: Make) -> None:
    counts = dict.fromkeys(
        ("created", "updated", "unchanged", "quarantined", "conflict", "invalid"), 0
    )
    answer = httpx.Response(200, json=counts | {"results": []})
    server = Server(httpx.ReadError("cut"), answer)

    make(server).post_leads([], mapping="shop")

    assert len(server.asked) == 2
    assert "idempotency-key" not in server.asked[0].headers
    assert str(server.asked[0].url) == "http://api/leads?mapping=shop"


def test_members_and_values_of_a_newer_server_are_read() -> None:
    live = models.Live.model_validate(LIVE | {"mood": "fine"})
    entry = models.Cap.model_validate({"amount": "1.00", "scope": "planet"})

    assert live.model_extra == {"mood": "fine"}
    assert entry.scope == "planet"
    assert models.CapScope("planet") == entry.scope
    assert models.Outcome("billed") is models.Outcome.billed


def test_member_that_a_body_does_not_have_is_refused_before_it_is_sent() -> None:
    with pytest.raises(ValueError, match="colour"):
        models.CustomerBody.model_validate({"name": "A", "email": "a@a.example", "colour": "red"})


def test_answer_that_is_no_problem_document_is_an_error_too() -> None:
    asked = httpx.Request("GET", "http://api/x")
    page = httpx.Response(502, text="<html>", request=asked)
    array = httpx.Response(418, json=[], request=asked)

    assert error_of(page).detail == "Bad Gateway"
    assert error_of(array).errors == []


def test_both_clients_have_the_same_methods_with_the_same_arguments() -> None:
    for one, other in ((Operations, AsyncOperations), (Client, AsyncClient)):
        names = {name for name in vars(one) if not name.startswith("_")}
        assert names == {name for name in vars(other) if not name.startswith("_")}
        for name in names:
            given, other_given = signature(getattr(one, name)), signature(getattr(other, name))
            assert given.parameters == other_given.parameters, name


def test_version_is_the_same_in_the_code_and_in_the_package() -> None:
    package = PROJECT / "clients" / "python" / "pyproject.toml"

    assert tomllib.loads(package.read_text())["project"]["version"] == VERSION


def test_webhook_is_verified_by_its_secret_and_its_body() -> None:
    secret = "whsec_" + "c2VjcmV0" * 4
    body = '{"type": "report.finalized", "timestamp": "2024-05-01T10:00:00Z", "data": {"a": 1}}'
    now = datetime.now(UTC)
    headers = {
        "Webhook-Id": "m-1",
        "Webhook-Timestamp": str(int(now.timestamp())),
        "Webhook-Signature": Webhook(secret).sign("m-1", now, body),
    }

    event = verify_webhook(secret, headers, body.encode())

    assert (event.type, event.data) == ("report.finalized", {"a": 1})
    for changed in (body.replace("1}", "2}"), ""):
        with pytest.raises(NotVerified):
            verify_webhook(secret, headers, changed)
    with pytest.raises(NotVerified):
        verify_webhook(secret, {}, body)
