"""Parameters of the routes: a session, ids, months and times.

Invariant: a route gets valid values only; an invalid one is refused here, with its name.
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Annotated, NoReturn

from fastapi import Depends, Query
from pydantic import StringConstraints, TypeAdapter
from sqlalchemy.orm import Session
from starlette.convertors import Convertor, register_url_convertor

from common.billing_period import Period
from common.database.transactions import snapshot, transaction
from common.enums import EngagementLevel
from common.leads.schemas import MAX_USER_TEXT_LENGTH, Instant
from common.leads.search import LeadFilter
from common.problems import FieldError, Invalid
from common.request_model import NO_NUL, Id


class _AnyText(Convertor[str]):
    """A part of a path that may hold slashes and, unlike `path`, line ends."""

    regex = "(?s:.*)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("id", _AnyText())


def _snapshot() -> Iterator[Session]:
    with snapshot() as session:
        yield session


def _transaction() -> Iterator[Session]:
    with transaction() as session:
        yield session


def now() -> datetime:
    """The moment of the request; a test puts another in its place."""
    return datetime.now(UTC)


# Both end before the answer is sent: a client that reads slowly holds no connection.
Snapshot = Annotated[Session, Depends(_snapshot, scope="function")]
Now = Annotated[datetime, Depends(now)]
Transaction = Annotated[Session, Depends(_transaction, scope="function")]

Text = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_USER_TEXT_LENGTH, pattern=NO_NUL)
]
Cursor = Annotated[
    str | None, Query(max_length=4096, description="`next_cursor` of the page before.")
]
PageSize = Annotated[int, Query(ge=1, le=500, description="Entries a page.")]

_BARE_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT = TypeAdapter(Instant)
_Moment = Annotated[
    str | None,
    Query(
        max_length=64,
        description="An RFC 3339 time, or a bare date: midnight in the customer's time zone.",
    ),
]


class Range:
    """`from` (inclusive) and `to` (exclusive)."""

    def __init__(
        self,
        from_: Annotated[_Moment, Query(alias="from")] = None,
        to: _Moment = None,
    ) -> None:
        self.start = _moment("from", from_)
        self.end = _moment("to", to)


def lead_filter(
    created: Annotated[Range, Depends()],
    customer_id: Id | None = None,
    product_id: Id | None = None,
    lead_type: Text | None = None,
    user: Text | None = None,
    engagement_level: EngagementLevel | None = None,
    action_type: Text | None = None,
) -> LeadFilter:
    """The filters of a list of leads."""
    return LeadFilter(
        customer_id=customer_id,
        product_id=product_id,
        lead_type=lead_type,
        user=user,
        engagement_level=engagement_level,
        action_type=action_type,
        start=created.start,
        end=created.end,
    )


def _moment(name: str, text: str | None) -> date | datetime | None:
    if text is None:
        return None
    try:
        if _BARE_DATE.fullmatch(text):
            return date.fromisoformat(text)
        # A plus sign that was not percent-encoded arrives as a space.
        moment = _INSTANT.validate_python(re.sub(r" (?=[0-9]{2}:[0-9]{2}$)", "+", text))
        return moment.astimezone(UTC)  # PostgreSQL does not read every offset
    except (ValueError, OverflowError):
        _refuse(name, "invalid_time", "must be a date or an RFC 3339 time with offset")


def period_of(text: str, name: str = "period") -> Period:
    """The month of a "2024-04". Raises Invalid."""
    try:
        return Period.parse(text)
    except ValueError as error:
        _refuse(name, "invalid_period", str(error))


def _refuse(name: str, code: str, detail: str) -> NoReturn:
    raise Invalid(f"`{name}` was refused", [FieldError(f"/query/{name}", code, detail)])
