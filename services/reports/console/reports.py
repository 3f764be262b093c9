"""/console/reports: the list of reports."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from common import identifiers
from common.enums import ReportStatus
from common.reports.listing import EntryFilter, EntryKey, entries_after, key_of, list_entries
from common.request_model import Id
from services.reports.api.dependencies import Cursor, Snapshot, period_of
from services.reports.api.pagination import cut_page, from_cursor, to_cursor
from services.reports.console.pages import page

router = APIRouter()

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
    entries = list_entries(
        session,
        EntryFilter(
            customer_id=None if customer_id is None else identifiers.customer_id(customer_id),
            period=None if period is None else period_of(period),
            status=status,
        ),
    )
    after = None if cursor is None else from_cursor(cursor, EntryKey)
    shown, last = cut_page(entries_after(entries, after), ENTRIES_A_PAGE)
    filters = {"customer_id": customer_id, "period": period, "status": status and status.value}
    return page(
        request,
        "reports.html",
        "reports",
        entries=shown,
        filters=filters,
        is_filtered=any(filters.values()),
        next_cursor=last and to_cursor(key_of(last)),
    )
