"""The driver's errors in our words.

Invariant: a failure that may pass shows as DatabaseUnavailable, and a statement that is refused for
good as StatementRefused.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from common.database.engine import get_engine
from common.problems import DatabaseUnavailable
from common.settings import SecretUnreadable, settings

# What may be different next time, by SQLSTATE: lost connections, rollbacks for others' sake
# (deadlock, serialization), no disk, memory or connection left, a lock not had, a server that
# stops or starts or cut the statement off, failing hardware, one that became a replica, and a
# password that was changed.
_MAY_PASS = ("08", "40", "53", "55P03", "57", "58", "25006", "28")
_ANOTHER_SERVER_OR_PASSWORD = ("25006", "28")
_TELLING = ("sqlstate", "table_name", "column_name", "constraint_name")


@contextmanager
def translated_errors() -> Iterator[None]:
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
    get_engine().dispose()
    if settings().database_secret_arn is not None:
        settings.cache_clear()
        get_engine.cache_clear()


def _sqlstate(error: DBAPIError) -> str | None:
    state: str | None = getattr(error.orig, "pgcode", None)
    return state


def _rule_broken(error: BaseException | None) -> str:
    told = getattr(error, "diag", None)
    parts = [type(error).__name__, *(getattr(told, name, None) for name in _TELLING)]
    return " ".join(part for part in parts if part)
