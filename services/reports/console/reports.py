"""/console/reports: the list of reports."""

from fastapi import Request
from fastapi.responses import HTMLResponse

from common import identifiers
from common.enums import ReportStatus
from common.reports.listing import EntryFilter, entries_after, list_entries
from common.request_model import Id
from services.reports.api.dependencies import Cursor, Snapshot, period_of
from services.reports.api.pagination import REPORTS
from services.reports.console.pages import list_page
from services.reports.http.routes import Router

router = Router()

ENTRIES_A_PAGE = 100


@router.get("/console/reports", response_class=HTMLResponse)
def list_reports(
    request: Request,
    session: Snapshot,
    customer_id: Id | None = None,
    period: str | None = None,
    status: ReportStatus | None = None,
    cursor: Cursor = None,
) -> HTMLResponse:
    """One entry per customer and month, newest first."""
    filters = EntryFilter(
        customer_id=None if customer_id is None else identifiers.customer_id(customer_id),
        period=None if period is None else period_of(period),
        status=status,
    )
    entries = list_entries(session, filters)
    listed = REPORTS.page(
        lambda after, _: entries_after(entries, after), cursor, ENTRIES_A_PAGE, filters
    )
    return list_page(
        request, "reports.html", "Reports", listed, ["customer_id", "period", "status"]
    )
