"""The report of a month as a request asks for it: final, or a draft while the month is open.

Invariant: every form of a report, and every page about it, is made of what this loads.
"""

from sqlalchemy.orm import Session

from common.rating.rated_lines import LineKey
from common.reports.draft import draft_report
from common.reports.final import final_report, report_closed_along
from common.reports.line_search import ALL_LINES, LineSearch
from common.reports.model import Report
from common.reports.months import Month
from services.reports.api.pagination import from_cursor, to_cursor


def load_report(
    session: Session,
    month: Month,
    search: LineSearch = ALL_LINES,
    *,
    cursor: str | None = None,
    most: int | None = None,
) -> Report:
    """The report of a customer's month, with a page of its lines or with all of them."""
    next_page: LineKey | int | None
    if month.final is not None:
        behind = 0 if cursor is None else from_cursor(cursor, int)
        report, next_page = final_report(session, month, search, after=behind, most=most)
    elif month.closed_along_by is not None:
        return report_closed_along(session, month, month.closed_along_by)
    else:
        after = None if cursor is None else from_cursor(cursor, LineKey)
        report, next_page = draft_report(session, month, search, after=after, most=most)
    if next_page is not None:
        report.next_cursor = to_cursor(next_page)
    return report
