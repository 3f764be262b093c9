"""The audit log: who changed what, and what was there before and after.

Invariant: whatever changes a customer, a price, a key or what is final notes it here, in the
transaction of the change. An entry is never changed (alembic/sql/guards.sql), and holds no key,
nobody's email in full, and nothing of the people behind leads.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Identity, insert, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from common.database.base import Base, shared, stored_at


class AuditEntry(Base):
    """One change: who made it, to what, and what was there before and after."""

    __tablename__ = "audit_log"
    __table_args__ = shared("a change may be of no customer")

    entry_id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    recorded_at: Mapped[datetime] = stored_at()
    actor: Mapped[str] = mapped_column(
        server_default=text(
            "coalesce(nullif(current_setting('lead_billing.actor', true), ''), "
            "'database role ' || session_user)"
        ),
        comment="a key, a command, or a database role",
    )
    database_user: Mapped[str] = mapped_column(
        server_default=text("session_user"), comment="who was signed in to the database"
    )
    action: Mapped[str] = mapped_column(comment="created, changed, closed, replayed, erased, ...")
    subject: Mapped[str] = mapped_column(comment="kind of what was changed")
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
    if before == after:
        return
    states = {"before": before, "after": after}
    session.execute(
        insert(AuditEntry).values(
            action=action,
            subject=subject,
            subject_id=str(subject_id),
            **{name: _shown(state) for name, state in states.items() if state is not None},
        )
    )


def _shown(state: Mapping[str, Any]) -> dict[str, Any]:
    shown = {name: _as_json(value) for name, value in state.items()}
    if "email" in shown:
        shown["email"] = re.sub("(?<=^.)[^@]*", "***", shown["email"])
    return shown


def _as_json(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries are wanted; a filter that is None is left out. `end` is exclusive."""

    actor: str | None = None
    action: str | None = None
    subject: str | None = None
    subject_id: str | None = None
    start: datetime | None = None
    end: datetime | None = None


def list_audit_entries(
    session: Session, wanted: AuditFilter, after: int | None, most: int
) -> list[AuditEntry]:
    """At most `most` entries, the newest first, after `after`.

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
    return list(session.scalars(query))
