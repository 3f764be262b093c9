"""The engines of this process, the database role of their connections, and how failures are met.

Invariant: a failure that may pass shows as DatabaseUnavailable, and a statement that is refused for
good as StatementRefused (common/database/errors.py). Nothing waits for the database without end
(common/database/waiting.py).
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from itertools import count
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, Dialect, Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from common.database.breaker import breaker
from common.database.errors import (
    StatementRefused,
    has_run_too_long,
    may_pass,
    needs_new_address,
    reason_of,
)
from common.database.waiting import (
    LONG_SECONDS,
    READ_SECONDS,
    Silent,
    WatchedConnection,
    WatchedCursor,
    current_deadline,
    statements_of,
)
from common.observability.correlation import named
from common.problems import ClientLeft, DatabaseUnavailable, TookTooLong
from common.settings import SecretUnreadable, settings

T = TypeVar("T")
# A statement in autocommit runs no longer than this, also when nobody is left to end it.
MAX_STATEMENT_SECONDS = 12.0
# A pooled connection says whether it lives, and a key is looked up, within this time.
BRIEF_SECONDS = 3.0
_CLOCK_SECONDS = 0.2  # libpq counts in whole seconds
# Whoever finds every connection taken for so long is told to come back.
_POOL_SECONDS = 5
_MAX_ATTEMPTS = 4
_FIRST_PAUSE_SECONDS = 0.2
_MIN_ATTEMPT_SECONDS = 0.5

# jit: compiling costs more than it saves on statements of some milliseconds.
# work_mem: a customer's month sorts in memory; more buys nothing (docs/decisions).
# client_connection_check_interval: a statement ends when its client has gone.
_SERVER_OPTIONS = (
    "-c timezone=UTC -c jit=off -c work_mem=64MB -c client_connection_check_interval=1000"
)
# A server that is gone without a word, as after a failover, is noticed within 15 seconds.
_NOTICE_A_DEAD_SERVER = {
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # milliseconds
}
_ROLE: ContextVar[str | None] = ContextVar("role", default=None)
_made: list[Engine] = []


class OwnPool(NamedTuple):
    """How many connections a pool has at most, and how long a statement may run on them."""

    connections: int
    seconds: float


_OWN_POOL: ContextVar[OwnPool | None] = ContextVar("own_pool", default=None)


@contextmanager
def in_role(role: str | None) -> Iterator[None]:
    """Runs the block's transactions under this database role."""
    token = _ROLE.set(role)
    try:
        yield
    finally:
        _ROLE.reset(token)


@contextmanager
def own_pool(connections: int, seconds: float = LONG_SECONDS) -> Iterator[None]:
    """Runs the block's transactions on a pool of their own, of at most so many connections."""
    token = _OWN_POOL.set(OwnPool(connections, seconds))
    try:
        with statements_of(seconds):
            yield
    finally:
        _OWN_POOL.reset(token)


def has_own_pool() -> bool:
    return _OWN_POOL.get() is not None


@lru_cache(maxsize=16)
def get_engine(role: str | None = None, own_pool: OwnPool | None = None) -> Engine:
    """The process's engine, made on first use and pointed at the settings' database.

    With `role`, its connections run under that role; the settings' role must be a member of it.
    """
    if own_pool is None:
        return _make_engine(role, READ_SECONDS, pool_pre_ping=True)
    return _make_engine(
        role,
        own_pool.seconds,
        pool_pre_ping=True,
        pool_size=own_pool.connections,
        max_overflow=0,
    )


@lru_cache(maxsize=8)
def get_autocommit_engine(role: str | None = None) -> Engine:
    """The engine of statements that are a transaction each: they cost one round trip and no ping.

    A pooled connection may be dead, so only `with_retries` uses it.
    """
    return _make_engine(
        role, MAX_STATEMENT_SECONDS, isolation_level="AUTOCOMMIT", pool_reset_on_return=None
    )


def _make_engine(role: str | None, seconds: float, **arguments: Any) -> Engine:
    """An engine whose statements run no longer than `seconds`."""
    current = settings()
    options = f" -c statement_timeout={int(seconds * 1000)}"
    take_on = "" if role is None else f" -c role={role}"
    made = create_engine(
        current.sqlalchemy_url(),
        hide_parameters=True,  # an error message must not carry personal data into a log
        connect_args={
            "connect_timeout": current.database_connect_timeout_seconds,
            "options": _SERVER_OPTIONS + options + take_on,
            "application_name": "lead-billing",
            "connection_factory": WatchedConnection,
            "cursor_factory": WatchedCursor,
            **_NOTICE_A_DEAD_SERVER,
            **current.tls_arguments(),
        },
        **{
            "pool_size": current.database_pool_size,
            "max_overflow": current.max_connections - current.database_pool_size,
            "pool_timeout": _POOL_SECONDS,
            **arguments,
        },
    )
    made.dialect.do_ping = _brief(made.dialect.do_ping)  # type: ignore[method-assign, assignment]
    event.listen(made, "do_connect", _connect)
    event.listen(made, "before_cursor_execute", _with_correlation_comment, retval=True)
    event.listen(made, "handle_error", _keep_other_connections)
    _made.append(made)
    return made


def _connect(dialect: Dialect, _record: Any, arguments: Any, options: dict[str, Any]) -> Any:
    """A new connection. Raises Silent if the server takes the connection and says nothing."""
    began = time.monotonic()
    try:
        return dialect.connect(*arguments, **options)
    except dialect.loaded_dbapi.OperationalError as error:
        if time.monotonic() - began >= options["connect_timeout"] - _CLOCK_SECONDS:
            raise Silent("no connection in time") from error
        raise


def _brief(ping: Callable[[Any], bool]) -> Callable[[Any], bool]:
    def ping_briefly(connection: Any) -> bool:
        with statements_of(BRIEF_SECONDS):
            return ping(connection)

    return ping_briefly


def _keep_other_connections(context: ExceptionContext) -> None:
    """A connection that was cut because its client left says nothing of the others."""
    if _is_left():
        context.invalidate_pool_on_disconnect = False


def _is_left() -> bool:
    deadline = current_deadline()
    return deadline is not None and deadline.is_left


@contextmanager
def own_connection(seconds: float) -> Iterator[Connection]:
    """A connection of no pool, that is closed again, and whose every wait is that short.

    Raises DatabaseUnavailable.
    """
    engine = _make_engine(_ROLE.get(), seconds, pool_size=1, max_overflow=0)
    _made.remove(engine)
    try:
        with statements_of(seconds), translated_errors(), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def current_engine() -> Engine:
    role, pool = _ROLE.get(), _OWN_POOL.get()
    if pool is not None:
        return get_engine(role, pool)
    return get_engine() if role is None else get_engine(role)


def with_retries(
    work: Callable[[Connection, str], T],
    seconds: float = MAX_STATEMENT_SECONDS,
    attempts: int = _MAX_ATTEMPTS,
) -> T:
    """Runs `work` with autocommit; retries temporary failures. Returns what `work` returns.

    `work` also gets a time limit to put before its statement. It must be safe to repeat: when the
    answer to a commit is lost, it runs twice. No attempt begins after `seconds`. A pooled
    connection that has died is replaced at once, also if `attempts` is 1. Raises
    DatabaseUnavailable.
    """
    breaker.require_closed()
    deadline = time.monotonic() + seconds
    left = seconds
    for attempt in count(1):
        limit = f"set local statement_timeout = {max(int(left * 1000), 1)}; "
        try:
            with (
                statements_of(left),
                translated_errors(),
                get_autocommit_engine(_ROLE.get()).connect() as connection,
            ):
                result = work(connection, "" if left >= MAX_STATEMENT_SECONDS else limit)
                breaker.close()
                return result
        except DatabaseUnavailable as problem:
            cause = problem.__cause__
            is_lost = isinstance(cause, DBAPIError) and cause.connection_invalidated
            is_stale = is_lost and attempt == 1
            # Full jitter: those who failed together do not come back together.
            pause = 0 if is_stale else random.uniform(0, _FIRST_PAUSE_SECONDS * 2**attempt)  # noqa: S311
            left = deadline - time.monotonic() - pause
            if (attempt >= attempts and not is_stale) or left < _MIN_ATTEMPT_SECONDS:
                # A sender is told to come back, whatever took so long.
                raise DatabaseUnavailable(problem.detail) from cause
            time.sleep(pause)
    raise AssertionError("counting has no end")


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raises the driver's errors in our words."""
    try:
        yield
    except SecretUnreadable as error:
        raise DatabaseUnavailable("the database's password is not at hand") from error
    except NoConnectionFree as error:
        raise DatabaseUnavailable(
            "every connection to the database is taken; try again shortly"
        ) from error
    except DBAPIError as error:
        if may_pass(error):
            if _is_left():
                raise ClientLeft("the client has closed the connection") from error
            if isinstance(error.orig, Silent):
                breaker.trip()
            if needs_new_address(error):
                _forget_address()
            kind = TookTooLong if has_run_too_long(error) else DatabaseUnavailable
            raise kind(reason_of(error)) from error
        # PostgreSQL's own words quote the row that it refused, people's addresses included.
        raise StatementRefused.by(error).with_traceback(error.__traceback__) from None


def _forget_address() -> None:
    """Lets the next attempt look up the server's address and, where one is named, the secret."""
    for engine in _made:
        engine.dispose()
    if settings().database_secret_arn is not None:
        forget_engines()
        settings.cache_clear()


def forget_engines() -> None:
    """Closes pooled connections, and has engines made anew by the settings of then."""
    breaker.close()
    while _made:
        _made.pop().dispose()
    get_engine.cache_clear()
    get_autocommit_engine.cache_clear()


def _with_correlation_comment(
    _connection: Connection, _cursor: Any, statement: str, parameters: Any, *_others: Any
) -> tuple[str, Any]:
    return named(statement), parameters
