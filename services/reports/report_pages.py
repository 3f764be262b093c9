"""A report in JSON: its header, and the pages of its lines, users and leads.

Invariant: the header and the pages behind its cursors hold each line, user and lead once; and each
answer fits (api/fitting.py).
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from common import identifiers
from common.rating.line import Line, LineKey
from common.rating.rate_cards import rate_cards_in_force
from common.reports.groups import FoundGroup, GroupPlace, GroupSearch, find_leads, find_users
from common.reports.line_search import LineSearch
from common.reports.lines import (
    PriorKey,
    find_lines,
    find_prior_lines,
    key_of_line,
)
from common.reports.model import Group
from common.reports.months import Month
from services.reports.api.fitting import MAX_ANSWER_BYTES, fitting
from services.reports.api.pagination import MAX_BIGINT, from_cursor, of_month, to_cursor
from services.reports.api.schemas import lines as line_schemas
from services.reports.api.schemas import reports as schemas
from services.reports.report_loader import load_report

MAX_PRIOR_LINES = 1_000  # on the report itself


def report_header(session: Session, month: Month, limit: int) -> schemas.Report:
    """The report with the first page of each of its lists."""
    report, next_key = load_report(session, month, limit=limit)
    lines = report.lines = list(report.lines)
    whole = schemas.Report.from_report(report, MAX_PRIOR_LINES)
    prior = whole.prior_period
    rest = whole.model_copy(
        update={"lines": [], "prior_period": prior.model_copy(update={"lines": []})}
    )
    room = MAX_ANSWER_BYTES - len(rest.model_dump_json().encode())
    own_count, prior_count = fitting(whole.lines, room // 2), fitting(prior.lines, room // 2)
    if own_count < len(lines):
        next_key = key_of_line(session, month, lines[own_count - 1])
    next_prior = None
    if prior_count < len(report.prior_period):
        next_prior = _prior_place(session, month, report.prior_period[prior_count - 1])
    parts = report.parts
    return whole.model_copy(
        update={
            "prior_period": prior.model_copy(
                update={
                    "lines": prior.lines[:prior_count],
                    "next_cursor": next_prior
                    and to_cursor(next_prior, of_month(month, "prior lines")),
                }
            ),
            "lines": whole.lines[:own_count],
            "next_cursor": next_key and to_cursor(next_key, of_month(month, "lines", LineSearch())),
            "next_users_cursor": _cursor_behind(
                parts.by_user, parts.user_count, _user_key, of_month(month, "users", LineSearch())
            ),
            "next_leads_cursor": _cursor_behind(
                parts.by_lead,
                parts.lead_count,
                partial(_lead_key, month.customer.customer_id),
                of_month(month, "leads", LineSearch()),
            ),
        }
    )


def line_page(
    session: Session, month: Month, search: LineSearch, cursor: str | None, limit: int
) -> schemas.LinePage:
    """A page of the month's own lines that are searched for."""
    whole = of_month(month, "lines", search)
    after = from_cursor(cursor, LineKey, whole)
    found = find_lines(session, month, search, after, limit)
    lines = [line_schemas.Line.from_line(line, month.timezone) for line in found.lines]
    count = fitting(lines)
    next_cursor = None
    if found.has_more or count < len(lines):
        next_cursor = to_cursor(key_of_line(session, month, found.lines[count - 1]), whole)
    return schemas.LinePage(data=lines[:count], next_cursor=next_cursor)


def prior_line_page(
    session: Session, month: Month, cursor: str | None, limit: int
) -> schemas.PriorLinePage:
    """A page of the report's prior-period lines."""
    whole = of_month(month, "prior lines")
    after = from_cursor(cursor, PriorKey, whole)
    found = find_prior_lines(session, month, after, limit)
    customer_id = month.customer.customer_id
    pairs = {(customer_id, line.period) for line in found.lines}
    cards = rate_cards_in_force(session, pairs) if pairs else {}
    lines = [
        line_schemas.PriorPeriodLine.from_line_and_card(
            line, cards[customer_id, line.period], month.timezone
        )
        for line in found.lines
    ]
    count = fitting(lines)
    next_cursor = None
    if found.has_more or count < len(lines):
        next_cursor = to_cursor(_prior_place(session, month, found.lines[count - 1]), whole)
    return schemas.PriorLinePage(data=lines[:count], next_cursor=next_cursor)


def user_page(
    session: Session, month: Month, search: LineSearch, cursor: str | None, limit: int
) -> schemas.UserPage:
    """A page of the users that are searched for, each with all of its lines."""
    whole = of_month(month, "users", search)
    after = from_cursor(cursor, GroupPlace, whole, MAX_BIGINT)
    page = find_users(session, month, GroupSearch(search, after, limit + 1))
    users = schemas.breakdown(schemas.UserTotals, [group for group, _ in page[:limit]])
    count = fitting(users)
    return schemas.UserPage(data=users[:count], next_cursor=_next_group(page, count, whole))


def lead_page(
    session: Session, month: Month, search: LineSearch, cursor: str | None, limit: int
) -> schemas.LeadPage:
    """A page of the leads that are searched for, each with all of its lines."""
    whole = of_month(month, "leads", search)
    after = from_cursor(cursor, GroupPlace, whole, MAX_BIGINT)
    page = find_leads(session, month, GroupSearch(search, after, limit + 1))
    leads = schemas.breakdown(schemas.LeadTotals, [group for group, _ in page[:limit]])
    count = fitting(leads)
    return schemas.LeadPage(data=leads[:count], next_cursor=_next_group(page, count, whole))


def _next_group(found: Sequence[FoundGroup], count: int, whole: object) -> str | None:
    return to_cursor(found[count - 1].place, whole) if count < len(found) else None


def _prior_place(session: Session, month: Month, line: Line) -> PriorKey:
    return PriorKey(line.period, *key_of_line(session, month, line))


def _user_key(members: dict[str, Any]) -> UUID:
    return UUID(members["user_key"])


def _lead_key(customer_id: UUID, members: dict[str, Any]) -> UUID:
    return identifiers.lead_id(customer_id, members["lead_id"])


def _cursor_behind(
    groups: Sequence[Group],
    count: int,
    key_of: Callable[[dict[str, Any]], UUID],
    whole: object,
) -> str | None:
    if len(groups) == count:
        return None
    last = groups[-1]
    return to_cursor(GroupPlace(last.totals.gross_cents, key_of(last.members)), whole)
