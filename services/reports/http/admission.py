"""How much the service works on at the same time: in all, and for one key.

Invariant: a request that is let in finds a connection free, and whatever one key asks for, others
find a place.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, suppress
from functools import lru_cache

from fastapi import Request

from common.database.engine import own_pool
from common.database.waiting import Deadline, until
from common.problems import Busy, NotAcceptable, TooManyRequests
from common.settings import Settings
from services.reports.http.content_negotiation import HTML, JSON, chosen_format, split_extension

# A file, a month of all customers or a check of one rates or reads without a page's limit. So many
# at a time have connections of their own, and their statements may run longer than others.
HEAVY_AT_ONCE = 3
_HEAVY_SECONDS = 25.0
# What a request costs its key: of the units in flight, and of those a second.
_HEAVY_COST = 4
MAX_UNITS_IN_FLIGHT = 8
# API Gateway gives up after 30 seconds. In the queue it is better to hear of it sooner.
_REQUEST_SECONDS = 28.0
_QUEUE_SECONDS = 10.0

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


def cost_of(request: Request) -> int:
    """The units that a request costs its key."""
    return _HEAVY_COST if is_heavy(request) else 1


async def in_flight(request: Request) -> AsyncIterator[None]:
    """Counts the key's requests until their answers are sent. Raises TooManyRequests."""
    principal = getattr(request.state, "principal", None)
    if principal is None or not principal.key_id:  # open access has no key
        yield
        return
    cost, key_id = cost_of(request), principal.key_id
    if _units[key_id] + cost > MAX_UNITS_IN_FLIGHT:
        raise TooManyRequests("the key has too many requests under way: wait for an answer")
    _units[key_id] += cost
    try:
        yield
    finally:
        _units[key_id] -= cost
        if not _units[key_id]:
            del _units[key_id]


async def admitted(request: Request) -> AsyncIterator[None]:
    """Waits until a connection is free, and holds its place until the answer is made.

    A request has its connection from one thread to the next, so the requests that wait for a
    connection must not hold the threads: nobody would go on. Raises Busy.
    """
    path = request.scope["route"].path
    if path in _HEALTH:
        yield
        return
    heavy = is_heavy(request)
    places = _heavy_places() if heavy else _places()
    try:
        async with asyncio.timeout(_QUEUE_SECONDS):
            await places.acquire()
    except TimeoutError:
        raise Busy("too many requests wait for the database; try again shortly") from None
    try:
        deadline = Deadline(_REQUEST_SECONDS)
        reads = request.method == "GET" or path in _READING_POSTS
        pool = own_pool(HEAVY_AT_ONCE, _HEAVY_SECONDS) if heavy else nullcontext()
        async with _leaving_with(request, deadline) if reads else nullcontext():
            with pool, until(deadline if reads else None):
                yield
    finally:
        places.release()


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


_units: Counter[str] = Counter()


@lru_cache(maxsize=1)
def _places() -> asyncio.Semaphore:
    return asyncio.Semaphore(Settings().max_connections)


@lru_cache(maxsize=1)
def _heavy_places() -> asyncio.Semaphore:
    return asyncio.Semaphore(HEAVY_AT_ONCE)
