"""The engine of this process, and the database role that its connections take on."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event

from common.observability.correlation import named
from common.settings import settings

# jit: compiling costs more than it saves on statements of some milliseconds.
# work_mem: a customer's month sorts in memory; more buys nothing (docs/decisions).
_SERVER_OPTIONS = "-c timezone=UTC -c jit=off -c work_mem=64MB"
# A server that is gone without a word, as after a failover, is noticed within 15 seconds.
_NOTICE_A_DEAD_SERVER = {
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # milliseconds
}
_ROLE: ContextVar[str | None] = ContextVar("role", default=None)


@contextmanager
def in_role(role: str | None) -> Iterator[None]:
    """Has the block's transactions take on a database role, where one process plays several."""
    token = _ROLE.set(role)
    try:
        yield
    finally:
        _ROLE.reset(token)


@lru_cache(maxsize=8)
def get_engine(role: str | None = None) -> Engine:
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
    event.listen(made, "before_cursor_execute", _with_correlation_comment, retval=True)
    return made


def current_engine() -> Engine:
    role = _ROLE.get()
    return get_engine() if role is None else get_engine(role)


def _with_correlation_comment(
    _connection: Connection, _cursor: Any, statement: str, parameters: Any, *_others: Any
) -> tuple[str, Any]:
    return named(statement), parameters
