"""The audit log: who changed what, and what was there before and after.

Invariant: whatever changes a customer, a price, a key or what is final notes it here, in the
transaction of the change. An entry is never changed (alembic/sql/guards.sql), and holds no key,
nobody's email in full, and nothing of the people behind leads.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Identity, insert, null, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from common.database.base import Base, stored_at


class AuditEntry(Base):
    """One change: who made it, to what, and what was there before and after."""

    __tablename__ = "audit_log"

    entry_id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    recorded_at: Mapped[datetime] = stored_at()
    actor: Mapped[str] = mapped_column(
        server_default=text(
            "coalesce(nullif(current_setting('lead_billing.actor', true), ''), "
            "'database role ' || session_user)"
        )
    )
    database_user: Mapped[str] = mapped_column(server_default=text("session_user"))
    action: Mapped[str]
    subject: Mapped[str]
    subject_id: Mapped[str]
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]


def record_change(
    session: Session,
    action: str,
    subject: str,
    subject_id: str | UUID,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None,
) -> None:
    """Notes a change of a subject; nothing where it is `after` what it was `before`.

    The database itself adds who acts (common/database/transactions.py) and who is signed in.
    """
    if before != after:
        record_changes(session, action, subject, [(subject_id, before, after)])


_State = Mapping[str, Any] | None


def record_changes(
    session: Session,
    action: str,
    subject: str,
    changes: Iterable[tuple[str | UUID, _State, _State]],
) -> None:
    """Notes the same kind of change of several subjects, each with what it was before and after."""
    rows = [
        {"action": action, "subject": subject, "subject_id": str(subject_id)}
        | {
            name: null() if state is None else _shown(state)
            for name, state in (("before", before), ("after", after))
        }
        for subject_id, before, after in changes
    ]
    session.execute(insert(AuditEntry).values(rows))


def _shown(state: Mapping[str, Any]) -> dict[str, Any]:
    shown = {name: _as_json(value) for name, value in state.items()}
    for name in ("email", "billing_email", "recipient"):
        if shown.get(name):
            shown[name] = re.sub("(?<=^.)[^@]*", "***", shown[name])
    return shown


def _as_json(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries to list; a filter that is None is left out. `end` is exclusive."""

    actor: str | None = None
    action: str | None = None
    subject: str | None = None
    subject_id: str | None = None
    start: datetime | None = None
    end: datetime | None = None


def list_audit_entries(
    session: Session, filters: AuditFilter, after: int | None, limit: int
) -> list[AuditEntry]:
    """At most `limit` entries, the newest first, after `after`.

    `actor` is found anywhere in the text that names who acted: a key's id or name will do.
    """
    query = select(AuditEntry).order_by(AuditEntry.entry_id.desc()).limit(limit)
    if after is not None:
        query = query.where(AuditEntry.entry_id < after)
    if filters.actor is not None:
        query = query.where(AuditEntry.actor.contains(filters.actor, autoescape=True))
    if filters.action is not None:
        query = query.where(AuditEntry.action == filters.action)
    if filters.subject is not None:
        query = query.where(AuditEntry.subject == filters.subject)
    if filters.subject_id is not None:
        query = query.where(AuditEntry.subject_id == filters.subject_id)
    if filters.start is not None:
        query = query.where(AuditEntry.recorded_at >= filters.start)
    if filters.end is not None:
        query = query.where(AuditEntry.recorded_at < filters.end)
    return list(session.scalars(query))
