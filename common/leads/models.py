"""The tables of leads: leads, actions, quarantined leads and erased users."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from common.catalog.models import Customer, Product
from common.database.base import Base, ByteOrdered, refers_to, stored_at
from common.enums import EngagementLevel


class Lead(Base):
    """One record of interest. Never deleted, and never changed but by erasing its user."""

    __tablename__ = "leads"
    __table_args__ = (
        Index(None, "customer_id", "created_at", "lead_id"),
        Index(None, "customer_id", "user_key"),
        Index(None, "created_at", "lead_id"),  # for the list of all customers' leads
    )

    customer_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("customers.customer_id", ondelete="RESTRICT"), primary_key=True
    )
    lead_id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, comment="derived from customer_id and external_id: unique by itself too"
    )
    external_id: Mapped[str] = mapped_column(ByteOrdered, comment="the caller's id")
    product_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("products.product_id", ondelete="RESTRICT")
    )
    lead_type: Mapped[str] = mapped_column(
        ByteOrdered, ForeignKey("lead_types.lead_type", ondelete="RESTRICT")
    )
    user_key: Mapped[uuid.UUID] = mapped_column(
        comment="keyed hash of the user, or of the fallback user where none was named"
    )
    has_user: Mapped[bool] = mapped_column(comment="false: billed under the fallback user")
    user_email: Mapped[str | None] = mapped_column(comment="trimmed, lower case")
    user_phone: Mapped[str | None] = mapped_column(comment="digits and a leading +")
    user_external_id: Mapped[str | None] = mapped_column(comment="trimmed")
    created_at: Mapped[datetime]
    received_at: Mapped[datetime] = stored_at()

    customer: Mapped[Customer] = relationship(lazy="joined", innerjoin=True)
    product: Mapped[Product] = relationship(lazy="joined", innerjoin=True)


class Action(Base):
    """One thing a user did. Carries what rating needs, so that rating reads one table.

    Actions are stored by one statement, which takes them from leads that it stored or found
    (sql/ingest_leads.sql). A foreign key would check that again for each row; a guard does so once
    a statement (alembic/sql/guards.sql).
    """

    __tablename__ = "actions"
    __table_args__ = (
        CheckConstraint("occurrence >= 1", "occurrence_counts_from_one"),
        # Holds all that rating and closing read, so that a month need not be gathered from all
        # over the table. Its longest texts are short enough for an index entry: longer spellings
        # than four bytes a character come from few characters, and PostgreSQL compresses them.
        # It is in canonical order, which saves a sort (docs/billing-rules.md, Canonical order).
        Index(
            "ix_actions_canonical_order",
            "customer_id",
            "timestamp",
            "lead_created_at",
            "lead_id",
            "action_key",
            "engagement_level",
            "occurrence",
            postgresql_include=[
                "action_id",
                "product_id",
                "user_key",
                "lead_type",
                "action_type",
            ],
        ),
    )

    customer_id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, info=refers_to("customers.customer_id")
    )
    lead_id: Mapped[uuid.UUID] = mapped_column(primary_key=True, info=refers_to("leads.lead_id"))
    action_id: Mapped[uuid.UUID] = mapped_column(primary_key=True, comment="hash of its content")
    product_id: Mapped[uuid.UUID] = mapped_column(info=refers_to("products.product_id"))
    user_key: Mapped[uuid.UUID]
    lead_type: Mapped[str] = mapped_column(ByteOrdered)
    lead_created_at: Mapped[datetime]
    action_type: Mapped[str] = mapped_column(comment="as the caller wrote it")
    action_key: Mapped[str] = mapped_column(
        ByteOrdered, comment="action_type trimmed, inner spaces folded, case folded"
    )
    engagement_level: Mapped[EngagementLevel]
    timestamp: Mapped[datetime]
    occurrence: Mapped[int] = mapped_column(
        comment="nth action of this lead with the same key, level and timestamp"
    )
    received_at: Mapped[datetime] = stored_at()


class QuarantinedLead(Base):
    """A valid lead of an unknown customer or product, kept whole until it can be replayed."""

    __tablename__ = "quarantined_leads"
    __table_args__ = (
        CheckConstraint("jsonb_typeof(lead) = 'object'", "lead_is_an_object"),
        Index(None, "received_at", "quarantine_id"),  # for the list of all customers' leads
        Index(None, "quarantine_id"),  # for a replay that does not name the customer
    )

    customer_id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, comment="of the customer that the lead names, registered or not"
    )
    quarantine_id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, comment="hash of the lead's content: a retry adds nothing"
    )
    lead_id: Mapped[uuid.UUID]
    user_key: Mapped[uuid.UUID | None] = mapped_column(
        comment="whom a lead that names a user is billed under, also once that is erased"
    )
    lead: Mapped[dict[str, Any]] = mapped_column(comment="the lead as it was sent")
    reason: Mapped[str] = mapped_column(comment="unknown_customer or unknown_product")
    received_at: Mapped[datetime] = stored_at()
    replayed_at: Mapped[datetime | None] = mapped_column(comment="when a replay stored it")


class ErasedUser(Base):
    """A user whose person was taken out: later leads of theirs are stored without it too."""

    __tablename__ = "erased_users"

    customer_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("customers.customer_id", ondelete="RESTRICT"), primary_key=True
    )
    user_key: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    erased_at: Mapped[datetime] = stored_at()
