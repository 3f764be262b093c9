"""/console/audit: every change, newest first."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from common.audit_log import AuditFilter, list_audit_entries
from services.reports.api.dependencies import Cursor, Snapshot
from services.reports.api.pagination import cut_page, from_cursor, to_cursor
from services.reports.console.pages import page

router = APIRouter()

ENTRIES_A_PAGE = 100


@router.get("/console/audit", response_class=HTMLResponse)
def show_audit(
    request: Request,
    session: Snapshot,
    actor: str | None = None,
    subject: str | None = None,
    subject_id: str | None = None,
    cursor: Cursor = None,
) -> HTMLResponse:
    """Every change, newest first."""
    wanted = AuditFilter(actor=actor, subject=subject, subject_id=subject_id)
    after = None if cursor is None else from_cursor(cursor, int)
    found = list_audit_entries(session, wanted, after, ENTRIES_A_PAGE + 1)
    shown, last = cut_page(found, ENTRIES_A_PAGE)
    filters = {"actor": actor, "subject": subject, "subject_id": subject_id}
    return page(
        request,
        "audit.html",
        "audit",
        entries=shown,
        filters=filters,
        is_filtered=any(filters.values()),
        next_cursor=last and to_cursor(last.entry_id),
    )
