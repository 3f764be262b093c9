"""The audit log: who changed what, before and after."""

from datetime import datetime
from typing import Any

from services.reports.api.schemas.answer import Answer, Page


class AuditEntry(Answer):
    """One change."""

    entry_id: int
    recorded_at: datetime
    actor: str
    database_user: str
    action: str
    subject: str
    subject_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class AuditList(Page[AuditEntry]):
    """A page of changes, newest first."""
