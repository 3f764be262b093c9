"""/audit: who changed what."""

from datetime import date, datetime, time
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends

from common import audit_log
from common.audit_log import AuditFilter
from services.reports.api.dependencies import Cursor, PageSize, Range, Snapshot, Text
from services.reports.api.pagination import cut_page, from_cursor, to_cursor
from services.reports.api.schemas.audit import AuditEntry, AuditList

router = APIRouter(prefix="/audit", tags=["keys and audit"])


@router.get("")
def list_audit_entries(
    session: Snapshot,
    within: Annotated[Range, Depends()],
    actor: Text | None = None,
    action: Text | None = None,
    subject: Text | None = None,
    subject_id: Text | None = None,
    limit: PageSize = 50,
    cursor: Cursor = None,
) -> AuditList:
    """Every change, newest first: who, what, before and after.

    `from` and `to` are about when it was recorded; a bare date means midnight in UTC.
    """
    filters = AuditFilter(
        actor, action, subject, subject_id, _moment(within.start), _moment(within.end)
    )
    after = None if cursor is None else from_cursor(cursor, int)
    page, last = cut_page(audit_log.list_audit_entries(session, filters, after, limit + 1), limit)
    return AuditList(
        data=[AuditEntry.from_stored(entry) for entry in page],
        next_cursor=last and to_cursor(last.entry_id),
    )


def _moment(moment: date | datetime | None) -> datetime | None:
    if moment is None or isinstance(moment, datetime):
        return moment
    return datetime.combine(moment, time(), ZoneInfo("UTC"))
