"""The engine, and one transaction per request, committed at the edge.

Invariant: no error of the driver's leaves a transaction: a database that cannot be reached shows
as DatabaseUnavailable, and a statement that is refused as StatementRefused.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, CursorResult, Engine, create_engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from common.problems import DatabaseUnavailable
from common.settings import settings

# jit: compiling costs more than it saves on statements of some milliseconds.
# work_mem: a customer's month sorts in memory; more buys nothing (docs/decisions).
_SERVER_OPTIONS = "-c timezone=UTC -c jit=off -c work_mem=64MB"

_PARAMETER = re.compile(r"(?<!:):([a-z_]+)")
_TELLING = ("sqlstate", "table_name", "column_name", "constraint_name")


@lru_cache(maxsize=1)
def engine() -> Engine:
    """The process's engine, made on first use and pointed at the settings' database."""
    current = settings()
    return create_engine(
        current.sqlalchemy_url(),
        pool_size=current.database_pool_size,
        max_overflow=current.database_pool_size,
        pool_pre_ping=True,
        hide_parameters=True,  # an error message must not carry personal data into a log
        connect_args={
            "connect_timeout": current.database_connect_timeout_seconds,
            "options": _SERVER_OPTIONS,
            "application_name": "lead-billing",
        },
    )


@contextmanager
def transaction() -> Iterator[Connection]:
    """A READ COMMITTED transaction: committed when the block ends, rolled back when it raises.

    Raises DatabaseUnavailable when the database cannot be reached.
    """
    with _translated(), engine().begin() as connection:
        yield connection


@contextmanager
def snapshot() -> Iterator[Connection]:
    """A read-only transaction in which every statement sees the same data.

    Raises DatabaseUnavailable when the database cannot be reached.
    """
    with _translated(), engine().connect() as connection:
        yield connection.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if error.connection_invalidated or isinstance(error, OperationalError | InterfaceError):
            raise DatabaseUnavailable("the database did not answer; try again shortly") from error
        # PostgreSQL's own words quote the row that it refused, people's addresses included.
        broken = StatementRefused(_rule_broken(error.orig))
        raise broken.with_traceback(error.__traceback__) from None


class PreparedStatement:
    """A statement that each connection plans once, for those that take longer to plan than to run.

    `types`: of its `:named` parameters, as PostgreSQL calls them.
    """

    def __init__(self, name: str, statement: str, types: Mapping[str, str]) -> None:
        self._name = name
        self._order = list(types)
        numbered = _PARAMETER.sub(
            lambda found: f"${self._order.index(found[1]) + 1}", statement.replace("%", "%%")
        )
        self._prepare = f"prepare {name} ({', '.join(types.values())}) as {numbered}"
        self._execute = f"execute {name} ({', '.join(['%s'] * len(types))})"

    def execute(self, connection: Connection, parameters: Mapping[str, Any]) -> CursorResult[Any]:
        """Runs it on the plan that does for any parameters."""
        if self._name not in connection.info:
            connection.exec_driver_sql(self._prepare)
            connection.info[self._name] = True
        connection.exec_driver_sql("set local plan_cache_mode = force_generic_plan")
        values = tuple(_as_literal(parameters[name]) for name in self._order)
        return connection.exec_driver_sql(self._execute, values)


def _as_literal(value: Any) -> Any:
    return f"{{{','.join(map(str, value))}}}" if isinstance(value, list) else value


class StatementRefused(RuntimeError):
    """The database refused a statement of ours: says by which rule, never what stood in the row."""


def _rule_broken(error: BaseException | None) -> str:
    told = getattr(error, "diag", None)
    parts = [type(error).__name__, *(getattr(told, name, None) for name in _TELLING)]
    return " ".join(part for part in parts if part)
