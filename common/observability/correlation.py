"""One id for all that is done for a request: in its answer, in every log, and in the database.

Invariant: an id may stand in a header, a log line and an SQL comment as it is, whoever chose it.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

HEADER = "X-Correlation-Id"

_FORM = re.compile(r"[A-Za-z0-9._:/=+@-]{1,128}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")

_current: ContextVar[str | None] = ContextVar("correlation_id", default=None)


def id_of(headers: Mapping[str, str], otherwise: str) -> str:
    """The id that a request brings along, by names in lower case; `otherwise` where none is sound.

    X-Correlation-Id, X-Request-Id, or the trace of a traceparent (W3C Trace Context), in this
    order.
    """
    for name in ("x-correlation-id", "x-request-id"):
        sent = headers.get(name, "")
        if _FORM.fullmatch(sent):
            return sent
    trace = _TRACEPARENT.fullmatch(headers.get("traceparent", ""))
    return trace[1] if trace else otherwise


def current() -> str | None:
    """The id of the request that is being answered; None outside of one."""
    return _current.get()


@contextmanager
def correlated(correlation_id: str) -> Iterator[None]:
    """Everything in the context, and in threads it calls upon, is done for that id."""
    token = _current.set(correlation_id)
    try:
        yield
    finally:
        _current.reset(token)


def named(statement: str) -> str:
    """A statement that says for which request it is sent, to pg_stat_activity and the log."""
    correlation_id = _current.get()
    return f"/* {correlation_id} */ {statement}" if correlation_id else statement
