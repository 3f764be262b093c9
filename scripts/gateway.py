"""API Gateway on this machine: sends POST /leads to the Lambda function, the rest to the service.

Invariant: the function gets the event that an HTTP API sends (payload format 2.0), and nothing that
a page of another site sent. The service refuses such requests itself. What is more than AWS
carries, or takes longer, is answered as there (scripts/gateway_limits.py).
"""

import asyncio
import base64
import re
import time
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.database.engine import in_role
from common.problems import PROBLEM_JSON, Problem
from common.this_machine import is_loopback, was_passed_on
from scripts import gateway_limits
from scripts.gateway_limits import (
    ANSWER_TOO_LARGE,
    HEADERS,
    MAX_BODY_BYTES,
    REQUEST_TOO_LARGE,
    TOOK_TOO_LONG,
    Refusal,
    in_time,
    is_over_payload,
)
from services.reports.http.security import require_own_leads

# A client that is still sending would miss the answer: read on, and give up after this many bytes.
_MAX_DISCARDED_BYTES = 10 * MAX_BODY_BYTES
_TEXT_TYPES = {"application/json", "application/javascript", "application/xml"}
_GATEWAY_HEADER = b"x-gateway-request-id"
_ACCOUNT_ID = "000000000000"
_API_ID = "local"
_REGION = "us-east-1"
# The service sends and takes the files that a bucket sends and takes on AWS, past any gateway.
_STORED_FILE = re.compile("/(ex|im)ports/[^/]+/file")


@dataclass(frozen=True)
class LambdaContext:
    """What the handler reads of the context that the Lambda runtime passes with each event."""

    aws_request_id: str
    function_name: str = "lead-billing-ingest"
    memory_limit_in_mb: int = 512
    _deadline: float = field(default_factory=lambda: time.monotonic() + gateway_limits.SECONDS)

    @property
    def invoked_function_arn(self) -> str:
        return f"arn:aws:lambda:{_REGION}:{_ACCOUNT_ID}:function:{self.function_name}"

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._deadline - time.monotonic()) * 1000))


class _RequestTooLarge(Exception):
    """The request has more bytes than the gateway takes."""


Function = Callable[[dict[str, Any], LambdaContext], dict[str, Any]]


class LocalGateway:
    """An ASGI application in front of a Lambda function and a service.

    The gateway calls the function in one thread, with one event at a time: Lambda does the same
    with each instance, and the function relies on it. The thread is none of the service's: leads
    that wait for the function must not take the threads of requests that read. Function and
    service have their own database roles.
    """

    def __init__(
        self,
        function: Function,
        service: ASGIApp,
        function_role: str | None = None,
        service_role: str | None = None,
    ) -> None:
        self._function = function
        self._service = service
        self._function_role = function_role
        self._service_role = service_role
        self._instance = ThreadPoolExecutor(max_workers=1, thread_name_prefix="function")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope = _without_address_if_passed_on(scope)
        if scope["type"] != "http" or _STORED_FILE.fullmatch(scope["path"]):
            await self._serve(scope, receive, send)
        elif (scope["method"], scope["path"]) == ("POST", "/leads"):
            response = await self._invoke(Request(scope, receive))
            await response(scope, receive, send)
        else:
            await self._serve_within_limits(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> bool:
        with in_role(self._service_role):
            await self._service(_mark_outside_request(scope), receive, send)
        return True

    async def _serve_within_limits(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the service's whole answer on, as an HTTP API does."""
        request = Request(scope, receive)
        if int(request.headers.get("content-length") or 0) > MAX_BODY_BYTES:
            await _discard(request)
            await _refusal(REQUEST_TOO_LARGE)(scope, receive, send)
            return
        answer = _Answer()
        if not await in_time(self._serve(scope, receive, answer.keep), gateway_limits.SECONDS):
            await _refusal(TOOK_TOO_LONG)(scope, receive, send)
        elif answer.is_too_large:
            await _refusal(ANSWER_TOO_LARGE)(scope, receive, send)
        else:
            for message in answer.messages:
                await send(message)

    async def _invoke(self, request: Request) -> Response:
        try:
            require_own_leads(request)
            body = await _read(request)
        except _RequestTooLarge:
            return _refusal(REQUEST_TOO_LARGE)
        except ClientDisconnect:
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        except Problem as refusal:
            document = refusal.document(request.url.path)
            return JSONResponse(document, refusal.status, media_type=PROBLEM_JSON)
        event = http_event(request, body)
        if is_over_payload(event):
            return _refusal(REQUEST_TOO_LARGE)
        answer = await in_time(self._answer(event), gateway_limits.SECONDS)
        if answer is None:
            return _refusal(TOOK_TOO_LONG)
        return _refusal(ANSWER_TOO_LARGE) if is_over_payload(answer) else _response(answer)

    async def _answer(self, event: dict[str, Any]) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._instance, self._call, event)

    def _call(self, event: dict[str, Any]) -> dict[str, Any]:
        context = LambdaContext(aws_request_id=str(uuid.uuid4()))
        with in_role(self._function_role):
            return self._function(event, context)


class _Answer:
    """What the service answers, kept until it is whole or over the limit."""

    def __init__(self) -> None:
        self._size = 0
        self.messages: list[Message] = []
        self.is_too_large = False

    async def keep(self, message: Message) -> None:
        self._size += len(message.get("body", b""))
        self.is_too_large = self._size > gateway_limits.MAX_ANSWER_BYTES
        if self.is_too_large:
            self.messages.clear()
        else:
            self.messages.append(message)


def _without_address_if_passed_on(scope: Scope) -> Scope:
    """Hide the address that a request of a proxy has: it says nothing of who sent the request."""
    names = (name.decode("latin-1").lower() for name, _ in scope.get("headers", ()))
    return {**scope, "client": None} if was_passed_on(names) else scope


def _mark_outside_request(scope: Scope) -> Scope:
    """Add the header of a gateway to a request from another machine.

    The service refuses such requests where only its own network may ask (/metrics).
    """
    host = (scope.get("client") or (None, 0))[0]
    if scope["type"] != "http" or is_loopback(host):
        return scope
    header = (_GATEWAY_HEADER, str(uuid.uuid4()).encode())
    return {**scope, "headers": [*scope["headers"], header]}


def http_event(request: Request, body: bytes) -> dict[str, Any]:
    """The event that an HTTP API sends for this request (payload format 2.0)."""
    now = time.time()
    path = request.url.path
    source_ip = request.client.host if request.client else ""
    route = f"{request.method} {path}"
    headers = _joined([*request.headers.items(), ("x-forwarded-for", source_ip)])
    cookies = headers.pop("cookie", None)
    headers["x-forwarded-port"] = str(request.url.port or 80)
    headers["x-forwarded-proto"] = request.url.scheme
    headers["x-amzn-trace-id"] = f"Root=1-{int(now):08x}-{uuid.uuid4().hex[:24]}"
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route,
        "rawPath": path,
        "rawQueryString": request.url.query,
        "headers": headers,
        "requestContext": {
            "accountId": _ACCOUNT_ID,
            "apiId": _API_ID,
            "domainName": headers.get("host", "localhost"),
            "domainPrefix": _API_ID,
            "http": {
                "method": request.method,
                "path": path,
                "protocol": f"HTTP/{request.scope['http_version']}",
                "sourceIp": source_ip,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": str(uuid.uuid4()),
            "routeKey": route,
            "stage": "$default",
            "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": False,
    }
    if cookies is not None:
        event["cookies"] = cookies.split("; ")
    if request.url.query:
        event["queryStringParameters"] = _joined(request.query_params.multi_items())
    if body:
        text = _text(body, headers.get("content-type", ""))
        event["isBase64Encoded"] = text is None
        event["body"] = base64.b64encode(body).decode("ascii") if text is None else text
    return event


def _refusal(refusal: Refusal) -> Response:
    return Response(refusal.body, refusal.status, HEADERS)


async def _discard(request: Request) -> None:
    try:
        await _read(request)
    except (_RequestTooLarge, ClientDisconnect):
        return


async def _read(request: Request) -> bytes:
    """The whole body. Raises _RequestTooLarge. Holds at most the limit in memory."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= MAX_BODY_BYTES:
            chunks.append(chunk)
        else:
            chunks.clear()
            if size > _MAX_DISCARDED_BYTES:
                break
    if size > MAX_BODY_BYTES:
        raise _RequestTooLarge
    return b"".join(chunks)


def _text(body: bytes, content_type: str) -> str | None:
    """The body as text if an HTTP API sends this type as text, else None.

    AWS does not list the types. By experiment, forms and bodies without a type arrive as base64.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type not in _TEXT_TYPES and not media_type.startswith("text/"):
        return None
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _response(answer: dict[str, Any]) -> Response:
    body = answer.get("body") or ""
    content = base64.b64decode(body) if answer.get("isBase64Encoded") else body
    response = Response(content, answer["statusCode"], answer.get("headers"))
    for cookie in answer.get("cookies") or ():
        response.headers.append("set-cookie", cookie)
    return response


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The values by name; an HTTP API joins the values of a repeated name with commas."""
    values: dict[str, str] = {}
    for name, value in pairs:
        values[name] = f"{values[name]},{value}" if name in values else value
    return values
