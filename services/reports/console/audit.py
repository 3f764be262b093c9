"""/console/audit: every change, newest first."""

from functools import partial

from fastapi import Request
from fastapi.responses import HTMLResponse

from common.audit_log import AuditFilter, list_audit_entries
from services.reports.api.dependencies import Cursor, Snapshot
from services.reports.api.pagination import AUDIT
from services.reports.console.pages import list_page
from services.reports.http.routes import Router

router = Router()

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
    filters = AuditFilter(actor=actor, subject=subject, subject_id=subject_id)
    find = partial(list_audit_entries, session, filters)
    listed = AUDIT.page(find, cursor, ENTRIES_A_PAGE, filters)
    return list_page(request, "audit.html", "Audit", listed, ["actor", "subject", "subject_id"])
