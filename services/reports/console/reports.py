"""/console/reports: the list of reports."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from common.enums import ReportStatus
from common.identifiers import customer_id as uuid_of
from common.reports.listing import EntryFilter, list_entries
from services.reports.api.billing import EntryKey, entry_key, is_behind
from services.reports.api.dependencies import Cursor, Id, Snapshot, period_of
from services.reports.api.pagination import from_cursor, to_cursor
from services.reports.console.pages import page

router = APIRouter()

ENTRIES_A_PAGE = 100


@router.get("/console/reports", response_class=HTMLResponse)
def list_reports(
    request: Request,
    connection: Snapshot,
    customer_id: Id | None = None,
    period: str | None = None,
    status: ReportStatus | None = None,
    cursor: Cursor = None,
) -> HTMLResponse:
    """One entry per customer and month, newest first."""
    wanted = EntryFilter(
        customer_id=None if customer_id is None else uuid_of(customer_id),
        period=None if period is None else period_of(period),
        status=status,
    )
    entries = list_entries(connection, wanted)
    if cursor is not None:
        last = from_cursor(cursor, EntryKey)
        entries = [entry for entry in entries if is_behind(entry, last)]
    shown = entries[:ENTRIES_A_PAGE]
    more = len(entries) > ENTRIES_A_PAGE
    filters = {"customer_id": customer_id, "period": period, "status": status and status.value}
    return page(
        request,
        "reports.html",
        "reports",
        entries=shown,
        filters=filters,
        is_filtered=any(filters.values()),
        next_cursor=to_cursor(entry_key(shown[-1])) if more else None,
    )
