"""Reading the audit: who changed what, and what was there before and after.

Invariant: nothing here writes. Entries are made by the database itself, in the transaction of the
change, and nobody may change them (the migration that keeps them, common/database/grants.py).
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from common.access.models import AuditEntry


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries are wanted; what is None does not narrow. `end` is exclusive."""

    actor: str | None = None
    action: str | None = None
    subject: str | None = None
    subject_id: str | None = None
    start: datetime | None = None
    end: datetime | None = None


def list_audit_entries(
    connection: Connection, wanted: AuditFilter, after: int | None, most: int
) -> list[AuditEntry]:
    """At most `most` entries, the newest first, from behind `after` on.

    `actor` is found anywhere in the text that names who acted: a key's id or name will do.
    """
    query = select(AuditEntry).order_by(AuditEntry.entry_id.desc()).limit(most)
    if after is not None:
        query = query.where(AuditEntry.entry_id < after)
    if wanted.actor is not None:
        query = query.where(AuditEntry.actor.contains(wanted.actor, autoescape=True))
    if wanted.action is not None:
        query = query.where(AuditEntry.action == wanted.action)
    if wanted.subject is not None:
        query = query.where(AuditEntry.subject == wanted.subject)
    if wanted.subject_id is not None:
        query = query.where(AuditEntry.subject_id == wanted.subject_id)
    if wanted.start is not None:
        query = query.where(AuditEntry.recorded_at >= wanted.start)
    if wanted.end is not None:
        query = query.where(AuditEntry.recorded_at < wanted.end)
    return list(Session(connection).scalars(query))
