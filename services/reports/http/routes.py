"""How a request enters a route: who sends it, what its address asks, and only then its body.

Invariant: no body is read before its sender is known and may call the route, no parameter of an
address is passed over, and a body has arrived whole before its request waits for a place.
"""

import asyncio
from collections.abc import Callable, Coroutine
from email.message import Message
from functools import lru_cache
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Form, Query
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from common.json_reader import read_json
from common.problems import ClientLeft, UnsupportedMediaType
from common.query_parameters import require_known
from services.reports.http.admission import hold_units
from services.reports.http.authorization import authorized
from services.reports.http.body_limit import is_upload
from services.reports.http.security import require_own_site

# A report has the parameters of its format, and refuses those of the others itself.
_CHECKING_THEIR_OWN = {"/billing/reports/{customer_id:id}/{period}"}
_LARGE_BYTES = 256 * 1024


class Route(APIRoute):
    """A route that is entered in order: own site, caller, address, body."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        parameters = get_flat_params(self.dependant)
        known = {field.alias for field in parameters if isinstance(field.field_info, Query)}
        takes_json = self.body_field is not None and not isinstance(
            self.body_field.field_info, Form
        )

        async def enter(request: Request) -> Response:
            require_own_site(request)
            await authorized(request)
            hold_units(request)
            if request.scope["route"].path not in _CHECKING_THEIR_OWN:
                require_known_parameters(request, known)
            request.state.is_entered = True
            if is_upload(request.scope):  # it is too large to be read before its route
                return await handle(request)
            return await handle(await _read(request, takes_json))

        return enter


class Router(APIRouter):
    """A router of such routes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"route_class": Route} | options)


async def entered(request: Request) -> None:
    """A dependency of every route, for those that a library adds: they have no body to read."""
    if not getattr(request.state, "is_entered", False):
        require_own_site(request)
        await authorized(request)
        hold_units(request)


def require_known_parameters(request: Request, known: set[str]) -> None:
    """Refuses parameters of the query that are not `known`, or repeated. Raises Invalid."""
    require_known([name for name, _ in request.query_params.multi_items()], known)


class _ReadRequest(Request):
    """A request whose body our reader has read."""

    document: Any = None

    async def json(self) -> Any:
        return self.document


async def _read(request: Request, takes_json: bool) -> Request:
    """Raises ClientLeft, MalformedRequest, TooLarge and UnsupportedMediaType."""
    read = _ReadRequest(request.scope, request.receive)
    try:
        body = await read.body()
    except ClientDisconnect:
        raise ClientLeft("the client left before its body had arrived") from None
    if takes_json and body:
        require_json(request.headers.get("content-type"))
        if len(body) <= _LARGE_BYTES:
            read.document = read_json(body)
        else:  # one at a time, while others are answered
            async with _one_large_body():
                read.document = await run_in_threadpool(read_json, body)
    return read


@lru_cache(maxsize=1)
def _one_large_body() -> asyncio.Lock:
    return asyncio.Lock()


def require_json(content_type: str | None) -> None:
    """Raises UnsupportedMediaType unless a body of that type is JSON."""
    message = Message()
    message["content-type"] = content_type or ""
    subtype = message.get_content_subtype()
    is_json = message.get_content_maintype() == "application" and (
        subtype == "json" or subtype.endswith("+json")
    )
    if not is_json:
        raise UnsupportedMediaType("send the body as Content-Type: application/json")
