"""How much the service works on at the same time: in all, and for one key.

Invariant: a request that is let in finds a connection free, and whatever one key asks for, others
find a place. Nobody holds a place while a body is still on its way (services/reports/http/routes).
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, suppress
from functools import lru_cache

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from common.database.engine import own_pool
from common.database.waiting import Deadline, until
from common.problems import Busy, NotAcceptable, TooManyRequests
from common.settings import Settings
from services.reports.http.content_negotiation import HTML, JSON, chosen_format, split_extension

# A file, a month of all customers or a check of one rates or reads without a page's limit. So many
# at a time have connections of their own, and their statements may run longer than others.
HEAVY_AT_ONCE = 3
_HEAVY_SECONDS = 25.0
# A key has so many units under way; what is heavy takes more of them than the rest.
MAX_UNITS_UNDER_WAY = 8
_HEAVY_UNITS = 4
# API Gateway gives up after 30 seconds. In the queue it is better to hear of it sooner.
_REQUEST_SECONDS = 28.0
_QUEUE_SECONDS = 10.0
# So many wait for a place at the most, of either kind; more are refused at once.
_MAX_WAITING = 100
_MAX_HEAVY_WAITING = 20

_REPORT = "/billing/reports/{customer_id:id}/{period}"
_HEAVY = {
    ("GET", f"{_REPORT}/verify"),
    ("GET", "/billing/reconciliation"),
    ("POST", "/billing/simulations"),
    ("GET", "/console/statement/progress"),
    ("GET", "/console/close"),
    ("POST", "/console/rate-card-editor"),
}
# They need no place. Without an answer of theirs, the load balancer replaces the task.
_HEALTH = {"/health/live", "/health/ready"}
# It takes minutes, and asks the database before and behind.
_UPLOAD = "/imports/{import_id}/file"
# What only reads ends when its client leaves; what changes something does not.
_READING_POSTS = {"/billing/simulations"}


def is_heavy(request: Request) -> bool:
    path = request.scope["route"].path
    if path == _REPORT:
        _, extension = split_extension(request.path_params["period"])
        try:
            return chosen_format(extension, request.headers.get("accept")) not in {JSON, HTML}
        except NotAcceptable:
            return False
    return (request.method, path) in _HEAVY


class UnitsUnderWay:
    """ASGI middleware: gives a key its units back when the answer is sent, or nobody waits."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = scope.setdefault("state", {})  # here, as others copy the scope
        try:
            await self._app(scope, receive, send)
        finally:
            key_id, cost = state.pop(_HELD, ("", 0))
            _units[key_id] -= cost
            if not _units[key_id]:
                del _units[key_id]


def hold_units(request: Request) -> None:
    """Counts a request among those that its key has under way. Raises TooManyRequests."""
    principal = getattr(request.state, "principal", None)
    if principal is None or not principal.key_id:  # open access has no key
        return
    cost, key_id = _HEAVY_UNITS if is_heavy(request) else 1, principal.key_id
    if _units[key_id] + cost > MAX_UNITS_UNDER_WAY:
        raise TooManyRequests("the key has too many requests under way: wait for an answer")
    _units[key_id] += cost
    request.scope["state"][_HELD] = (key_id, cost)


async def admitted(request: Request) -> AsyncIterator[None]:
    """Waits until a connection is free, and holds its place until the answer is made.

    A request has its connection from one thread to the next, so the requests that wait for a
    connection must not hold the threads: nobody would go on. Raises Busy.
    """
    path = request.scope["route"].path
    if path in _HEALTH or path == _UPLOAD:
        yield
        return
    heavy = is_heavy(request)
    async with (_heavy_places() if heavy else _places()).one():
        deadline = Deadline(_REQUEST_SECONDS)
        reads = request.method == "GET" or path in _READING_POSTS
        pool = own_pool(HEAVY_AT_ONCE, _HEAVY_SECONDS) if heavy else nullcontext()
        async with _leaving_with(request, deadline) if reads else nullcontext():
            with pool, until(deadline if reads else None):
                yield


@asynccontextmanager
async def _leaving_with(request: Request, deadline: Deadline) -> AsyncIterator[None]:
    """Ends the work when its client goes. The body must have been read."""

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        deadline.leave()

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


class _Places:
    """Places, and a queue for them that has an end."""

    def __init__(self, count: int, max_waiting: int) -> None:
        self._free = asyncio.Semaphore(count)
        self._left_in_queue = max_waiting

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Raises Busy for whom the queue has no room, or who has waited too long in it."""
        if self._free.locked():
            if not self._left_in_queue:
                raise Busy("too many requests wait already; try again shortly")
            self._left_in_queue -= 1
            try:
                async with asyncio.timeout(_QUEUE_SECONDS):
                    await self._free.acquire()
            except TimeoutError:
                raise Busy("too many requests wait for the database; try again shortly") from None
            finally:
                self._left_in_queue += 1
        else:
            await self._free.acquire()
        try:
            yield
        finally:
            self._free.release()


_HELD = "units_under_way"
_units: Counter[str] = Counter()


@lru_cache(maxsize=1)
def _places() -> _Places:
    return _Places(Settings().max_connections, _MAX_WAITING)


@lru_cache(maxsize=1)
def _heavy_places() -> _Places:
    return _Places(HEAVY_AT_ONCE, _MAX_HEAVY_WAITING)
