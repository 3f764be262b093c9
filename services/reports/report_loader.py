"""The report of a month as a request asks for it: final, or a draft while the month is open.

Invariant: every form of a report, and every page about it, is made of what this loads.
"""

from sqlalchemy.orm import Session

from common.rating.line import LineKey
from common.reports.draft import draft_report
from common.reports.final import final_report, report_closed_with
from common.reports.line_search import ALL_LINES, LineSearch
from common.reports.model import Report
from common.reports.months import Month


def load_report(
    session: Session, month: Month, search: LineSearch = ALL_LINES, *, limit: int | None = None
) -> tuple[Report, LineKey | None]:
    """The report of a customer's month, with its first page of lines or with all of them.

    And where the next page begins, if there is one.
    """
    if month.final is not None:
        return final_report(session, month, search, limit=limit)
    if month.closed_with is not None:
        return report_closed_with(session, month, month.closed_with), None
    return draft_report(session, month, search, limit=limit)
