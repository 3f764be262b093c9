"""The engine, and one transaction per request, committed at the edge.

Invariant: no error of the driver's leaves a transaction: a failure that may pass shows as
DatabaseUnavailable, and a statement that is refused for good as StatementRefused.
"""

import random
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Connection, CursorResult, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from common.observability.correlation import named
from common.problems import DatabaseUnavailable
from common.settings import SecretUnreadable, settings

T = TypeVar("T")

# jit: compiling costs more than it saves on statements of some milliseconds.
# work_mem: a customer's month sorts in memory; more buys nothing (docs/decisions).
_SERVER_OPTIONS = "-c timezone=UTC -c jit=off -c work_mem=64MB"

_PARAMETER = re.compile(r"(?<!:):([a-z_]+)")
# A server that is gone without a word, as after a failover, is noticed within 15 seconds.
_NOTICE_A_DEAD_SERVER = {
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # milliseconds
}

# What may be different next time, by SQLSTATE: lost connections, rollbacks for others' sake
# (deadlock, serialization), no disk, memory or connection left, a lock not had, a server that
# stops or starts or cut the statement off, failing hardware, one that became a replica, and a
# password that was changed.
_MAY_PASS = ("08", "40", "53", "55P03", "57", "58", "25006", "28")
_ANOTHER_SERVER_OR_PASSWORD = ("25006", "28")

_MOST_ATTEMPTS = 4
_FIRST_PAUSE_SECONDS = 0.2
_SHORTEST_ATTEMPT_SECONDS = 0.5

_TELLING = ("sqlstate", "table_name", "column_name", "constraint_name")


@dataclass(frozen=True, slots=True)
class Acting:
    """For whom the work of this request is done.

    `actor` is what the audit names. With `customer_id`, the database shows that customer's rows
    alone, whatever is asked of it (common/roles.py).
    """

    actor: str
    customer_id: UUID | None = None


ACTING: ContextVar[Acting | None] = ContextVar("acting", default=None)
_ROLE: ContextVar[str | None] = ContextVar("role", default=None)

_AS_CUSTOMER = text(
    "select set_config('role', 'lead_billing_customer', true),"
    " set_config('lead_billing.customer', :customer, true)"
)
_AS_ACTOR = text("select set_config('lead_billing.actor', :actor, true)")


@contextmanager
def acting_as(actor: str, customer_id: UUID | None = None) -> Iterator[None]:
    """Names who acts, to the audit, in all transactions of the block."""
    token = ACTING.set(Acting(actor, customer_id))
    try:
        yield
    finally:
        ACTING.reset(token)


@contextmanager
def in_role(role: str | None) -> Iterator[None]:
    """Has the block's transactions take on a database role, where one process plays several."""
    token = _ROLE.set(role)
    try:
        yield
    finally:
        _ROLE.reset(token)


@lru_cache(maxsize=8)
def engine(role: str | None = None) -> Engine:
    """The process's engine, made on first use and pointed at the settings' database.

    With `role`, its connections take on that role, which the settings' own must be able to.
    """
    current = settings()
    take_on = "" if role is None else f" -c role={role}"
    made = create_engine(
        current.sqlalchemy_url(),
        pool_size=current.database_pool_size,
        max_overflow=current.database_pool_size,
        pool_pre_ping=True,
        hide_parameters=True,  # an error message must not carry personal data into a log
        connect_args={
            "connect_timeout": current.database_connect_timeout_seconds,
            "options": _SERVER_OPTIONS + take_on,
            "application_name": "lead-billing",
            **_NOTICE_A_DEAD_SERVER,
        },
    )
    event.listen(made, "before_cursor_execute", _named, retval=True)
    return made


def _current_engine() -> Engine:
    role = _ROLE.get()
    return engine() if role is None else engine(role)


@contextmanager
def transaction() -> Iterator[Connection]:
    """A READ COMMITTED transaction: committed when the block ends, rolled back when it raises.

    Raises DatabaseUnavailable when the database cannot be reached.
    """
    with _translated(), _current_engine().begin() as connection:
        acting = ACTING.get()
        if acting is not None:
            connection.execute(_AS_ACTOR, {"actor": acting.actor})
            _confine(connection, acting)
        yield connection


@contextmanager
def snapshot() -> Iterator[Connection]:
    """A read-only transaction in which every statement sees the same data.

    Raises DatabaseUnavailable when the database cannot be reached.
    """
    with _translated(), _current_engine().connect() as connection:
        connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        _confine(connection, ACTING.get())
        yield connection


def _confine(connection: Connection, acting: Acting | None) -> None:
    if acting is not None and acting.customer_id is not None:
        connection.execute(_AS_CUSTOMER, {"customer": str(acting.customer_id)})


def persistently(work: Callable[[Connection], T], seconds: float) -> T:
    """What `work` gives in a transaction, tried again while its failure may pass.

    `work` has to be safe to repeat: when the answer to a commit is lost it is done twice. No
    attempt begins after `seconds`, and no statement runs on past them. Raises DatabaseUnavailable.
    """
    deadline = time.monotonic() + seconds
    for attempt in count(1):
        try:
            with transaction() as connection:
                _limit(connection, deadline - time.monotonic())
                return work(connection)
        except DatabaseUnavailable:
            # Full jitter: those who failed together do not come back together.
            pause = random.uniform(0, _FIRST_PAUSE_SECONDS * 2**attempt)  # noqa: S311
            left = deadline - time.monotonic() - pause
            if attempt == _MOST_ATTEMPTS or left < _SHORTEST_ATTEMPT_SECONDS:
                raise
            time.sleep(pause)
    raise AssertionError("counting has no end")


def _limit(connection: Connection, seconds: float) -> None:
    """Has the server end what takes longer, also when we are killed and cannot say so."""
    milliseconds = max(int(seconds * 1000), 1)
    connection.exec_driver_sql(
        f"set local statement_timeout = {milliseconds}; "
        f"set local idle_in_transaction_session_timeout = {milliseconds}"
    )


def _named(
    _connection: Connection, _cursor: Any, statement: str, parameters: Any, *_others: Any
) -> tuple[str, Any]:
    return named(statement), parameters


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except SecretUnreadable as error:
        raise DatabaseUnavailable("the database's password is not at hand") from error
    except DBAPIError as error:
        if _may_pass(error):
            _forget_stale(error)
            raise DatabaseUnavailable("the database did not answer; try again shortly") from error
        # PostgreSQL's own words quote the row that it refused, people's addresses included.
        broken = StatementRefused(_rule_broken(error.orig))
        raise broken.with_traceback(error.__traceback__) from None


class PreparedStatement:
    """A statement that each connection plans once, for those that take longer to plan than to run.

    `types`: of its `:named` parameters, as PostgreSQL calls them. `planned_without`: ways to join
    that it is not to be planned with, nor whatever follows it in its transaction.
    """

    def __init__(
        self,
        name: str,
        statement: str,
        types: Mapping[str, str],
        planned_without: Iterable[str] = (),
    ) -> None:
        self._name = name
        self._order = list(types)
        numbered = _PARAMETER.sub(
            lambda found: f"${self._order.index(found[1]) + 1}", statement.replace("%", "%%")
        )
        self._prepare = f"prepare {name} ({', '.join(types.values())}) as {numbered}"
        # The plan that does for any parameters. All in one, for a single round trip.
        options = ["plan_cache_mode = force_generic_plan"]
        options += [f"enable_{way} = off" for way in planned_without]
        self._execute = (
            "".join(f"set local {option}; " for option in options)
            + f"execute {name} ({', '.join(['%s'] * len(types))})"
        )

    def execute(self, connection: Connection, parameters: Mapping[str, Any]) -> CursorResult[Any]:
        """Runs it in the connection's transaction."""
        if self._name not in connection.info:
            connection.exec_driver_sql(self._prepare)
            connection.info[self._name] = True
        values = tuple(_as_literal(parameters[name]) for name in self._order)
        return connection.exec_driver_sql(self._execute, values)


def _as_literal(value: Any) -> Any:
    return f"{{{','.join(map(str, value))}}}" if isinstance(value, list) else value


class StatementRefused(RuntimeError):
    """The database refused a statement of ours: says by which rule, never what stood in the row."""


def _may_pass(error: DBAPIError) -> bool:
    state = _sqlstate(error)
    if error.connection_invalidated or state is None:
        return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    return state.startswith(_MAY_PASS)


def _forget_stale(error: DBAPIError) -> None:
    """Lets the next attempt look up the server's address and, where one is named, the secret."""
    state = _sqlstate(error)
    # libpq gives no SQLSTATE when it could not connect, whatever the reason.
    if state is not None and not state.startswith(_ANOTHER_SERVER_OR_PASSWORD):
        return
    engine().dispose()
    if settings().database_secret_arn is not None:
        settings.cache_clear()
        engine.cache_clear()


def _sqlstate(error: DBAPIError) -> str | None:
    state: str | None = getattr(error.orig, "pgcode", None)
    return state


def _rule_broken(error: BaseException | None) -> str:
    told = getattr(error, "diag", None)
    parts = [type(error).__name__, *(getattr(told, name, None) for name in _TELLING)]
    return " ".join(part for part in parts if part)
