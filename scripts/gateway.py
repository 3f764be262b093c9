"""API Gateway on this machine: sends POST /leads to the Lambda function, the rest to the service.

Invariant: the function gets the event that an HTTP API sends (payload format 2.0), and nothing that
a page of another site sent. The service refuses such requests itself.
"""

import asyncio
import base64
import time
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from common.database.engine import in_role
from common.problems import PROBLEM_JSON, Problem, TooLarge
from common.this_machine import is_loopback, was_passed_on
from services.reports.http.security import require_own_leads

MAX_BODY_BYTES = 10 * 1024 * 1024  # the limit of an HTTP API
# A client that is still sending would miss the answer: read on, and give up after this many bytes.
_MAX_DISCARDED_BYTES = 10 * MAX_BODY_BYTES
_TEXT_TYPES = {"application/json", "application/javascript", "application/xml"}
_FUNCTION_TIMEOUT_SECONDS = 30.0
_GATEWAY_HEADER = b"x-gateway-request-id"
_ACCOUNT_ID = "000000000000"
_API_ID = "local"
_REGION = "us-east-1"


@dataclass(frozen=True)
class LambdaContext:
    """What the handler reads of the context that the Lambda runtime passes with each event."""

    aws_request_id: str
    function_name: str = "lead-billing-ingest"
    memory_limit_in_mb: int = 512
    _deadline: float = field(default_factory=lambda: time.monotonic() + _FUNCTION_TIMEOUT_SECONDS)

    @property
    def invoked_function_arn(self) -> str:
        return f"arn:aws:lambda:{_REGION}:{_ACCOUNT_ID}:function:{self.function_name}"

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._deadline - time.monotonic()) * 1000))


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
        if scope["type"] == "http" and (scope["method"], scope["path"]) == ("POST", "/leads"):
            response = await self._invoke(Request(scope, receive))
            await response(scope, receive, send)
        else:
            with in_role(self._service_role):
                await self._service(_mark_outside_request(scope), receive, send)

    async def _invoke(self, request: Request) -> Response:
        try:
            require_own_leads(request)
            body = await _read(request)
        except ClientDisconnect:
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        except Problem as refusal:
            document = refusal.document(request.url.path)
            return JSONResponse(document, refusal.status, media_type=PROBLEM_JSON)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._instance, self._call, request, body)

    def _call(self, request: Request, body: bytes) -> Response:
        event = http_event(request, body)
        context = LambdaContext(aws_request_id=str(uuid.uuid4()))
        with in_role(self._function_role):
            return _response(self._function(event, context))


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


async def _read(request: Request) -> bytes:
    """The whole body. Raises TooLarge. Holds at most the limit in memory."""
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
        raise TooLarge(f"A request may have at most {MAX_BODY_BYTES} bytes.")
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
