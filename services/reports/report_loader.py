"""A report as a request asks for it: final where its month is closed, else a draft.

Invariant: every form of a report, and every page about it, is made of what this finds.
"""

from sqlalchemy import Connection

from common.billing_period import Period
from common.catalog.models import Customer
from common.rating.rated_lines import LineKey
from common.reports.draft import draft_report
from common.reports.final import closed_along, closing_report_of, final_report, final_report_of
from common.reports.model import Report
from services.reports.api.pagination import from_cursor, to_cursor


def report_of(
    connection: Connection,
    whose: Customer,
    month: Period,
    *,
    cursor: str | None = None,
    most: int | None = None,
) -> Report:
    """The report of a customer's month, with a page of its lines or with all of them."""
    next_page: LineKey | int | None
    if (stored := final_report_of(connection, whose, month)) is not None:
        behind = 0 if cursor is None else from_cursor(cursor, int)
        report, next_page = final_report(connection, whose, stored, after=behind, most=most)
    elif (closing := closing_report_of(connection, whose, month)) is not None:
        report, next_page = closed_along(connection, whose, month, closing), None
    else:
        after = None if cursor is None else from_cursor(cursor, LineKey)
        report, next_page = draft_report(connection, whose, month, after=after, most=most)
    if next_page is not None:
        report.next_cursor = to_cursor(next_page)
    return report
