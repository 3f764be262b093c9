"""/audit: who changed what."""

from datetime import date, datetime, time
from functools import partial
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Depends

from common import audit_log
from common.audit_log import AuditFilter
from services.reports.api.dependencies import Cursor, PageSize, Range, Snapshot, Text
from services.reports.api.pagination import AUDIT
from services.reports.api.schemas.audit import AuditList
from services.reports.http.routes import Router

router = Router(prefix="/audit", tags=["keys and audit"])


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
    find = partial(audit_log.list_audit_entries, session, filters)
    return AUDIT.answer(AuditList, find, cursor, limit, filters)


def _moment(moment: date | datetime | None) -> datetime | None:
    if moment is None or isinstance(moment, datetime):
        return moment
    return datetime.combine(moment, time(), ZoneInfo("UTC"))
