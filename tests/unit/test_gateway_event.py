import base64
from typing import Any

import pytest
from starlette.requests import Request

from scripts.gateway import LambdaContext, http_event


def event_for(
    body: bytes = b"{}", query: bytes = b"", headers: list[tuple[str, str]] | None = None
) -> dict[str, Any]:
    pairs = [("content-type", "application/json")] if headers is None else headers
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/leads",
        "query_string": query,
        "headers": [(name.lower().encode(), value.encode()) for name, value in pairs],
        "client": ("192.0.2.7", 40000),
        "server": ("127.0.0.1", 8080),
    }
    return http_event(Request(scope), body)


def test_event_has_the_shape_of_payload_format_2_0() -> None:
    event = event_for(headers=[("Host", "api.example"), ("User-Agent", "curl/8")])

    context = event["requestContext"]
    assert event["version"] == "2.0"
    assert event["routeKey"] == context["routeKey"] == "POST /leads"
    assert event["rawPath"] == "/leads"
    assert event["rawQueryString"] == ""
    assert context["http"] == {
        "method": "POST",
        "path": "/leads",
        "protocol": "HTTP/1.1",
        "sourceIp": "192.0.2.7",
        "userAgent": "curl/8",
    }
    assert context["domainName"] == "api.example"
    assert context["stage"] == "$default"
    assert {"accountId", "apiId", "requestId", "time", "timeEpoch"} <= context.keys()


def test_fields_without_a_value_are_left_out() -> None:
    event = event_for(body=b"")

    assert not {"body", "cookies", "queryStringParameters"} & event.keys()
    assert event["isBase64Encoded"] is False


def test_repeated_headers_and_parameters_are_joined_with_commas() -> None:
    event = event_for(query=b"a=1&b=x%20y&a=2", headers=[("X-Tag", "one"), ("x-tag", "two")])

    assert event["headers"]["x-tag"] == "one,two"
    assert event["queryStringParameters"] == {"a": "1,2", "b": "x y"}
    assert event["rawQueryString"] == "a=1&b=x%20y&a=2"


def test_cookies_stand_beside_the_headers() -> None:
    event = event_for(headers=[("Cookie", "a=1; b=2")])

    assert event["cookies"] == ["a=1", "b=2"]
    assert "cookie" not in event["headers"]


@pytest.mark.parametrize(
    "content_type", ["application/json", "Application/JSON; charset=utf-8", "text/plain"]
)
def test_text_arrives_as_it_is(content_type: str) -> None:
    event = event_for(body='{"name": "Zoë"}'.encode(), headers=[("Content-Type", content_type)])

    assert (event["body"], event["isBase64Encoded"]) == ('{"name": "Zoë"}', False)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded", b"{}"),
        ("application/octet-stream", b"{}"),
        ("", b"{}"),
        ("application/json", b'"\xff\xfe"'),
    ],
)
def test_everything_else_arrives_as_base64(content_type: str, body: bytes) -> None:
    event = event_for(body=body, headers=[("Content-Type", content_type)])

    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == body


def test_context_counts_the_time_down() -> None:
    context = LambdaContext(aws_request_id="a-request")

    assert 28_000 < context.get_remaining_time_in_millis() <= 29_000
    assert context.invoked_function_arn.endswith(f":function:{context.function_name}")
