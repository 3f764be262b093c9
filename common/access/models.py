"""The tables of access: API keys and the audit log."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from common.catalog.models import Customer
from common.database.base import Base, ByteOrdered, shared, stored_at
from common.enums import Role


class ApiKey(Base):
    """Who may use the API. Of the key itself only a hash is here."""

    __tablename__ = "api_keys"
    __table_args__ = (
        CheckConstraint(
            "role <> 'admin' or customer_id is null", "an_admin_belongs_to_no_customer"
        ),
        CheckConstraint("octet_length(secret_hash) = 32", "secret_hash_is_sha256"),
        shared("a key is looked up before its customer is known"),
    )

    key_id: Mapped[str] = mapped_column(ByteOrdered, primary_key=True, comment="part of the key")
    name: Mapped[str] = mapped_column(comment="who or what uses it")
    role: Mapped[Role]
    customer_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("customers.customer_id", ondelete="RESTRICT"),
        comment="null: of every customer; else sees and sends this one's data alone",
    )
    secret_hash: Mapped[bytes] = mapped_column(comment="SHA-256 of the whole key")
    created_at: Mapped[datetime] = stored_at()
    expires_at: Mapped[datetime | None] = mapped_column(comment="refused from then on")
    rotated_from: Mapped[str | None] = mapped_column(
        ByteOrdered,
        ForeignKey("api_keys.key_id", ondelete="RESTRICT"),
        comment="the key that was rotated",
    )

    customer: Mapped[Customer | None] = relationship(lazy="joined")


class AuditEntry(Base):
    """One change: who made it, to what, and what was there before and after.

    Written by triggers in the transaction of the change, and never changed. Holds no key, nobody's
    email in full, and nothing of the people behind leads.
    """

    __tablename__ = "audit_log"

    entry_id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    recorded_at: Mapped[datetime] = stored_at()
    actor: Mapped[str] = mapped_column(comment="a key, a command, or a database role")
    database_user: Mapped[str] = mapped_column(comment="who was signed in to the database")
    action: Mapped[str] = mapped_column(comment="created, changed, closed, replayed, erased, ...")
    subject: Mapped[str] = mapped_column(comment="kind of what was changed")
    subject_id: Mapped[str]
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]
