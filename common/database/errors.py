"""What the driver's errors mean for us, by SQLSTATE."""

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

# What may be different next time, by SQLSTATE: lost connections, rollbacks for others' sake
# (deadlock, serialization), no disk, memory or connection left, a lock not had, a server that
# stops or starts or cut the statement off, failing hardware, one that became a replica, and a
# password that was changed.
_MAY_PASS = ("08", "40", "53", "55P03", "57", "58", "25006", "28")
_ANOTHER_SERVER_OR_PASSWORD = ("25006", "28")
_QUERY_CANCELED = "57014"
# What a caller and the log are told of these, by the start of the SQLSTATE; the longest counts.
_REASONS = {
    "": "the database did not answer; try again shortly",
    "53100": "the database's disk is full: nothing can be stored until it has room again",
    "53200": "the database has no memory left; try again shortly",
    "53300": "the database has no connection left; try again shortly",
    "57P": "the database is stopping or starting; try again shortly",
    "57014": "the database took too long; ask for less, or for an export",
    "25006": "the database only reads at the moment, as in a failover; try again shortly",
    "28": "the database refused this part's password; try again shortly",
}
_TELLING = ("sqlstate", "table_name", "column_name", "constraint_name")


class StatementRefused(RuntimeError):
    """The database refused a statement of ours: says by which rule, never what stood in the row."""

    @classmethod
    def by(cls, error: DBAPIError) -> "StatementRefused":
        told = getattr(error.orig, "diag", None)
        parts = [type(error.orig).__name__, *(getattr(told, name, None) for name in _TELLING)]
        return cls(" ".join(part for part in parts if part))


def may_pass(error: DBAPIError) -> bool:
    """Whether the same statement may succeed later."""
    state = _sqlstate(error)
    if error.connection_invalidated or state is None:
        return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    return state.startswith(_MAY_PASS)


def needs_new_address(error: DBAPIError) -> bool:
    """Whether the server may have another address by now, or the role another password."""
    state = _sqlstate(error)
    # libpq gives no SQLSTATE when it could not connect, whatever the reason.
    return state is None or state.startswith(_ANOTHER_SERVER_OR_PASSWORD)


def has_run_too_long(error: DBAPIError) -> bool:
    """Whether the server ended the statement at its limit."""
    return _sqlstate(error) == _QUERY_CANCELED


def reason_of(error: DBAPIError) -> str:
    """What to tell of an error that may pass, in one sentence."""
    state = _sqlstate(error) or ""
    return _REASONS[max((start for start in _REASONS if state.startswith(start)), key=len)]


def cause_of(problem: BaseException) -> str | None:
    """What the driver said of a problem, in a word for the log: its class and SQLSTATE."""
    error = problem.__cause__
    if not isinstance(error, DBAPIError):
        return None if error is None else type(error).__name__
    return " ".join(filter(None, (type(error.orig).__name__, _sqlstate(error))))


def _sqlstate(error: DBAPIError) -> str | None:
    state: str | None = getattr(error.orig, "pgcode", None)
    return state
