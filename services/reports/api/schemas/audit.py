"""The audit log: who changed what, before and after."""

from datetime import datetime
from typing import Any

from common import audit_log
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

    @classmethod
    def from_stored(cls, stored: audit_log.AuditEntry) -> "AuditEntry":
        return cls(
            entry_id=stored.entry_id,
            recorded_at=stored.recorded_at,
            actor=stored.actor,
            database_user=stored.database_user,
            action=stored.action,
            subject=stored.subject,
            subject_id=stored.subject_id,
            before=stored.before,
            after=stored.after,
        )


class AuditList(Page[AuditEntry]):
    """A page of changes, newest first."""
