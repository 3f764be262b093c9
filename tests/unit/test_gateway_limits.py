"""The limits of AWS at the local gateway: sizes and time, and the words of each refusal."""

import asyncio
import re
from collections.abc import Callable
from threading import Event
from typing import Any

import httpx
import pytest

from common import json_reader
from scripts import gateway_limits
from scripts.gateway import LambdaContext, LocalGateway
from services.reports.api import fitting
from tests.support.api import PROJECT

TEN_MIB = 10 * 1024 * 1024
SIX_MIB = 6_291_556  # with what Lambda allows beside it
JSON = {"content-type": "application/json"}
REQUEST_TOO_LARGE = (413, '{"message":"Request Entity Too Large"}')
ANSWER_TOO_LARGE = (500, '{"message":"Internal Server Error"}')
TOOK_TOO_LONG = (503, '{"message":"Service Unavailable"}')
Function = Callable[[dict[str, Any], LambdaContext], dict[str, Any]]


async def service(scope: Any, receive: Any, send: Any) -> None:
    """Answers in two pieces with as many bytes as the query says."""
    size = int(scope["query_string"] or b"2")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for piece, more in ((size // 2, True), (size - size // 2, False)):
        await send({"type": "http.response.body", "body": b"x" * piece, "more_body": more})


def answer_of(method: str, path: str, function: Function | None = None, **sent: Any) -> Any:
    """Status and text of what the gateway answers."""

    async def ask() -> httpx.Response:
        gateway = LocalGateway(
            function or (lambda *_: {"statusCode": 200}), sent.pop("app", service)
        )
        transport = httpx.ASGITransport(gateway)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            return await client.request(method, path, headers=JSON, **sent)

    answer = asyncio.run(ask())
    return answer.status_code, answer.text


@pytest.mark.parametrize("path", ["/leads", "/imports"])
def test_request_over_10_mb_is_refused_in_the_words_of_the_gateway(path: str) -> None:
    body = b" " * (TEN_MIB + 1)

    assert answer_of("POST", path, content=body) == REQUEST_TOO_LARGE
    assert answer_of("POST", "/imports", content=body[1:])[0] == 200


def test_function_is_sent_no_larger_event_than_lambda_takes() -> None:
    quotes = SIX_MIB // 2  # each takes two bytes in JSON

    assert answer_of("POST", "/leads", content=b'"' * quotes) == REQUEST_TOO_LARGE
    assert answer_of("POST", "/leads", content=b'"' * (quotes - 10_000))[0] == 200


def test_larger_answer_of_the_function_than_lambda_carries_is_an_error() -> None:
    def function(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
        return {"statusCode": 200, "body": "x" * int(event["body"])}

    most = SIX_MIB - len('{"statusCode": 200, "body": ""}')

    assert answer_of("POST", "/leads", function, content=f"{most}") == (200, "x" * most)
    assert answer_of("POST", "/leads", function, content=f"{most + 1}") == ANSWER_TOO_LARGE


def test_larger_answer_of_the_service_than_a_function_could_give_is_an_error() -> None:
    assert answer_of("GET", f"/lines?{SIX_MIB}") == (200, "x" * SIX_MIB)
    assert answer_of("GET", f"/lines?{SIX_MIB + 1}") == ANSWER_TOO_LARGE


def test_stored_file_comes_past_the_gateway_as_from_a_bucket() -> None:
    status, text = answer_of("GET", f"/exports/an-id/file?{SIX_MIB + 1}")

    assert (status, len(text)) == (200, SIX_MIB + 1)


def test_function_that_takes_too_long_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_limits, "SECONDS", 0.05)
    goes_on = Event()

    def function(_event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
        goes_on.wait(0.5)
        return {"statusCode": 200}

    assert answer_of("POST", "/leads", function, content=b"{}") == TOOK_TOO_LONG


def test_service_that_takes_too_long_is_unavailable_and_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gateway_limits, "SECONDS", 0.05)
    ended: list[bool] = []

    async def slow(_scope: Any, _receive: Any, _send: Any) -> None:
        await asyncio.sleep(0.2)
        ended.append(True)

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(LocalGateway(lambda *_: {}, slow))
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            answer = await client.post("/billing/periods/2024-04/close")
            await asyncio.sleep(0.5)
            return answer

    answer = asyncio.run(ask())

    assert (answer.status_code, answer.text) == TOOK_TOO_LONG
    assert ended == [True]


def test_limits_are_those_of_the_deployment() -> None:
    gateway = (PROJECT / "terraform/modules/api_gateway/main.tf").read_text()
    function = (PROJECT / "terraform/modules/lambda/variables.tf").read_text()

    assert re.findall(r"timeout_milliseconds = (\d+)", gateway) == ["29000"]
    assert "default     = 29\n" in function
    assert json_reader.MAX_BODY_BYTES <= SIX_MIB <= TEN_MIB
    # As base64, in which a function returns a file, three bytes are four.
    assert fitting.MAX_ANSWER_BYTES * 4 / 3 < SIX_MIB
