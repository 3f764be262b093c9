"""How long this side waits for the database, also for a server that is frozen and says nothing.

Invariant: every call on a `WatchedConnection` ends. libpq has no limit of its own for an answer,
and a stopped server still acknowledges packets; so a thread shuts the socket of a call that takes
too long, and the call fails as if the server had gone.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

import psycopg2  # type: ignore[import-untyped]
from psycopg2 import extensions

# A statement of a request runs no longer than this: an answer has 30 seconds at the gateway.
READ_SECONDS = 15.0
# What is nobody's request, and closing a month, may take this long.
LONG_SECONDS = 900.0
# The server ends a statement first, if it can: then its connection stays.
_GRACE_SECONDS = 2.0
_LOOK_EVERY_SECONDS = 0.2
_IDLE_LOOKS = 50

_STATEMENT_SECONDS: ContextVar[float] = ContextVar("statement_seconds", default=READ_SECONDS)
_DEADLINE: ContextVar["Deadline | None"] = ContextVar("deadline", default=None)


class Silent(psycopg2.OperationalError):  # type: ignore[misc]
    """The server did not answer in time, or nobody waits for the answer; the connection is cut."""


class Deadline:
    """When a request has had its time, on the clock of time.monotonic; earlier if it is left."""

    def __init__(self, seconds: float) -> None:
        self.at = time.monotonic() + seconds
        self.is_left = False

    def leave(self) -> None:
        """Ends what still runs for the request: nobody waits for it."""
        self.is_left = True
        self.at = 0.0


@contextmanager
def statements_of(seconds: float) -> Iterator[None]:
    """Allows each statement of the block so long."""
    token = _STATEMENT_SECONDS.set(seconds)
    try:
        yield
    finally:
        _STATEMENT_SECONDS.reset(token)


def statement_seconds() -> float:
    return _STATEMENT_SECONDS.get()


@contextmanager
def until(deadline: Deadline | None) -> Iterator[None]:
    """Ends the block's calls to the database at the deadline; with None, at none."""
    token = _DEADLINE.set(deadline)
    try:
        yield
    finally:
        _DEADLINE.reset(token)


def current_deadline() -> Deadline | None:
    return _DEADLINE.get()


class WatchedConnection(extensions.connection):  # type: ignore[misc]
    """A connection whose calls have a limit."""

    def commit(self) -> None:
        _watched(self, super().commit)

    def rollback(self) -> None:
        _watched(self, super().rollback)


class WatchedCursor(extensions.cursor):  # type: ignore[misc]
    """A cursor whose calls have a limit. One without a name has all its rows once it has run."""

    def execute(self, *arguments: Any) -> None:
        _watched(self.connection, super().execute, *arguments)

    def fetchmany(self, *arguments: Any) -> Any:
        if self.name is None:
            return super().fetchmany(*arguments)
        return _watched(self.connection, super().fetchmany, *arguments)

    def fetchall(self) -> Any:
        if self.name is None:
            return super().fetchall()
        return _watched(self.connection, super().fetchall)


class _Call:
    """A call under way: when it is over, and of which request."""

    __slots__ = ("at", "deadline", "is_cut")

    def __init__(self) -> None:
        seconds = _STATEMENT_SECONDS.get()
        self.at = time.monotonic() + seconds + min(_GRACE_SECONDS, seconds / 4)
        self.deadline = _DEADLINE.get()
        self.is_cut = False

    def is_over(self, now: float) -> bool:
        return now >= self.at or (self.deadline is not None and now >= self.deadline.at)


_calls: dict[Any, _Call] = {}
_lock = threading.Lock()
_is_watching = False


def _watched(connection: Any, call: Callable[..., Any], *arguments: Any) -> Any:
    under_way = _calls[connection] = _Call()
    if not _is_watching:
        _start()
    try:
        return call(*arguments)
    except psycopg2.Error as error:
        if under_way.is_cut:
            raise Silent("no answer in time") from error
        raise
    finally:
        _calls.pop(connection, None)


def _start() -> None:
    global _is_watching  # noqa: PLW0603 - one thread for the process
    with _lock:
        if not _is_watching:
            _is_watching = True
            threading.Thread(target=_watch, name="waiting", daemon=True).start()


def _watch() -> None:
    global _is_watching  # noqa: PLW0603
    idle = 0
    while True:
        time.sleep(_LOOK_EVERY_SECONDS)
        now = time.monotonic()
        for connection, call in _calls.copy().items():
            if call.is_over(now) and not call.is_cut:
                call.is_cut = True
                _cut(connection)
        idle = 0 if _calls else idle + 1
        if idle > _IDLE_LOOKS:
            with _lock:
                _is_watching = False  # first: a call that begins now starts another thread
                if not _calls:
                    return
                _is_watching = True


def _cut(connection: Any) -> None:
    """Shuts the socket under a call: the call meets the end of the stream."""
    with (
        suppress(OSError, psycopg2.Error),
        socket.socket(fileno=os.dup(connection.fileno())) as end,
    ):
        end.shutdown(socket.SHUT_RDWR)


def _forget_thread() -> None:
    global _is_watching, _lock
    _calls.clear()
    _lock, _is_watching = threading.Lock(), False


os.register_at_fork(after_in_child=_forget_thread)  # a copy of a process has only one thread
