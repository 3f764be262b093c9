"""The lines of a report, in pages or as a stream that keeps none of them.

Invariant: a place is a line's content, never its number, so a cursor of a draft goes on in the
final report, whatever came or went before it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from common import identifiers
from common.billing_period import Period
from common.database.sql_loader import load_statement
from common.disputes.credits import Credit, final_credits
from common.enums import EngagementLevel, ReportStatus
from common.final_reports.models import BillingReport
from common.leads.models import Action
from common.rating.line import (
    LINES_AT_ONCE,
    Line,
    LineKey,
    line_of,
    line_of_file,
    require_prices,
)
from common.rating.periods import RatingScope
from common.rating.rated_lines import rated_lines
from common.reports.draft import draft_credits, draft_lines
from common.reports.final_lines import (
    FinalLines,
    lines_in,
    number_of,
    own_lines_of,
    prior_lines_of,
)
from common.reports.line_search import ALL_LINES, LineSearch
from common.reports.months import Month

_DRAFT_LINES = text(load_statement("reports", "draft_lines"))
_STREAM = {"stream_results": True, "yield_per": LINES_AT_ONCE}
_LEVELS = list(EngagementLevel)


class PriorKey(NamedTuple):
    """Where a prior-period line stands on a draft: its own month, and its place in it."""

    period: date
    timestamp: datetime
    lead_created_at: datetime
    lead_id: UUID
    action_key: str
    engagement_level: EngagementLevel
    occurrence: int

    @property
    def in_month(self) -> LineKey:
        return LineKey._make(self[1:])


class FoundLines(NamedTuple):
    """A page of lines, and whether more come behind it."""

    lines: list[Line]
    has_more: bool


@dataclass(frozen=True, slots=True)
class LineFile:
    """What a file of lines holds: the prior-period lines, the month's own, and the credits.

    `lines` are a stream that is read once and needs the session until it ends.
    """

    customer_id: str
    period: Period
    timezone: str
    status: ReportStatus
    lines: Iterator[Line]
    credits: list[Credit]
    number: str | None = None
    issue_date: date | None = None
    due_date: date | None = None
    content_hash: str | None = None
    signature: str | None = None


def find_lines(
    session: Session, month: Month, search: LineSearch, after: LineKey | None, limit: int
) -> FoundLines:
    """At most `limit` of the month's own lines behind a place, in canonical order.

    Raises Unpriced when one of them has no price.
    """
    if month.final is not None:
        own = own_lines_of(month.final)
        if after is not None:
            own = own._replace(after=number_of(session, own, month.period.start, after))
        return _final_page(session, own, search, limit)
    if month.closed_with is not None:
        return FoundLines([], has_more=False)
    return FoundLines(*draft_lines(session, month, search, after=after, limit=limit))


def find_prior_lines(
    session: Session, month: Month, after: PriorKey | None, limit: int
) -> FoundLines:
    """At most `limit` prior-period lines behind a place, by month and in canonical order."""
    if month.final is not None:
        prior = prior_lines_of(month.final)
        if after is not None:
            number = number_of(session, prior, after.period, after.in_month)
            prior = prior._replace(after=number)
        return _final_page(session, prior, ALL_LINES, limit)
    if month.closed_with is not None or not month.is_first_open:
        return FoundLines([], has_more=False)
    scope = RatingScope([(month.customer.customer_id, late) for late in month.late_periods])
    lines = (
        line
        for line, key in rated_lines(session, scope)
        if after is None or _rank(PriorKey(line.period, *key)) > _rank(after)
    )
    page = list(islice(lines, limit + 1))
    require_prices(sum(line.gross_cents is None for line in page))
    return FoundLines(page[:limit], has_more=len(page) > limit)


def key_of_line(session: Session, month: Month, line: Line) -> LineKey:
    """The place of a line in canonical order."""
    owner = month.customer.customer_id
    row = session.execute(
        select(
            Action.timestamp,
            Action.lead_created_at,
            Action.lead_id,
            Action.action_key,
            Action.engagement_level,
            Action.occurrence,
        ).where(
            Action.customer_id == owner,
            Action.lead_id == identifiers.lead_id(owner, line.lead_id),
            Action.action_id == UUID(line.action_id),
        )
    ).one()
    return LineKey(*row)


def line_file(session: Session, month: Month) -> LineFile:
    """All lines of a report, of which only some are in memory at a time.

    Raises Unpriced as a draft does, before the first line.
    """
    customer_id = month.customer.customer_id
    credits: list[Credit] = []
    lines: Iterator[Line] = iter(())
    if month.final is not None:
        lines = _final_stream(session, month.final)
        if month.final.credit_count:
            credits = final_credits(session, customer_id, month.final.report_id)
    elif month.closed_with is None:
        credits = draft_credits(session, month)
        lines = _draft_stream(session, month)
    is_draft = month.final is None and month.closed_with is None
    return LineFile(
        month.customer.external_id,
        month.period,
        month.timezone,
        ReportStatus.DRAFT if is_draft else ReportStatus.FINAL,
        lines,
        credits,
        *(
            (
                month.final.number,
                month.final.issue_date,
                month.final.due_date,
                month.final.content_hash,
                month.seal.signature,
            )
            if month.final is not None
            else ()
        ),
    )


def _draft_stream(session: Session, month: Month) -> Iterator[Line]:
    late_periods = month.late_periods if month.is_first_open else []
    start = month.period.start
    scope = RatingScope([(month.customer.customer_id, each) for each in (start, *late_periods)])
    rows = iter(
        session.execute(
            _DRAFT_LINES, scope.parameters() | {"period": start}, execution_options=_STREAM
        )
    )
    require_prices(next(rows).unpriced)
    return map(line_of_file, rows)


def _final_stream(session: Session, report: BillingReport) -> Iterator[Line]:
    for part in (prior_lines_of(report), own_lines_of(report)):
        if part.after < part.last:
            yield from map(line_of_file, lines_in(session, part, ALL_LINES, None))


def _final_page(session: Session, part: FinalLines, search: LineSearch, limit: int) -> FoundLines:
    rows = list(map(line_of, lines_in(session, part, search, limit + 1)))
    return FoundLines(rows[:limit], has_more=len(rows) > limit)


def _rank(key: PriorKey) -> tuple[Any, ...]:
    """What sorts as the database sorts the key: levels by their declaration."""
    return key._replace(engagement_level=_LEVELS.index(key.engagement_level))  # type: ignore[arg-type]
