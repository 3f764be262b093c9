"""The tables of disputes."""

import uuid
from datetime import datetime

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from common.database.base import Base, stored_at
from common.enums import DisputeReason, DisputeStatus


class Dispute(Base):
    """Billed lines of one lead that the customer does not accept, and the decision about them."""

    __tablename__ = "disputes"
    __table_args__ = (
        ForeignKeyConstraint(
            ["customer_id", "lead_id"], ["leads.customer_id", "leads.lead_id"], ondelete="RESTRICT"
        ),
        UniqueConstraint("customer_id", "dispute_id", "status"),
        CheckConstraint("reason <> 'other' or note is not null", "other_says_what"),
        CheckConstraint(
            "(status = 'open') = (decided_at is null) and (status = 'open') = (decided_by is null)",
            "decided_by_somebody",
        ),
        Index(None, "customer_id", "opened_at", "dispute_id"),
        Index(None, "customer_id", "lead_id"),
        Index(None, "opened_at", "dispute_id"),  # for the list of all customers' disputes
        Index(None, "dispute_id"),  # for a request that does not name the customer
    )

    customer_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("customers.customer_id", ondelete="RESTRICT"), primary_key=True
    )
    dispute_id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, server_default=func.gen_random_uuid()
    )
    lead_id: Mapped[uuid.UUID]
    reason: Mapped[DisputeReason]
    note: Mapped[str | None]
    opened_by: Mapped[str]
    opened_at: Mapped[datetime] = stored_at()
    status: Mapped[DisputeStatus] = mapped_column(server_default="open")
    decided_by: Mapped[str | None]
    decision_note: Mapped[str | None]
    decided_at: Mapped[datetime | None]


class DisputeLine(Base):
    """A disputed final line. It has one open dispute at a time, and none after an accepted one.

    A guard checks that the line is final and billed as much (alembic/sql/guards.sql).
    """

    __tablename__ = "dispute_lines"
    __table_args__ = (
        ForeignKeyConstraint(
            ["customer_id", "dispute_id", "status"],
            ["disputes.customer_id", "disputes.dispute_id", "disputes.status"],
            onupdate="CASCADE",
            ondelete="RESTRICT",
        ),
        ForeignKeyConstraint(
            ["customer_id", "report_id"],
            ["billing_reports.customer_id", "billing_reports.report_id"],
            ondelete="RESTRICT",
        ),
        UniqueConstraint(
            "customer_id",
            "dispute_id",
            "report_id",
            "line_number",
            "amount_cents",
            name="uq_dispute_lines_amount",
        ),
        CheckConstraint("amount_cents > 0", "something_was_billed"),
        Index(
            None,
            "customer_id",
            "report_id",
            "line_number",
            unique=True,
            postgresql_where=text("status <> 'rejected'"),
        ),
    )

    customer_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    dispute_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    report_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    line_number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    action_id: Mapped[uuid.UUID]
    amount_cents: Mapped[int] = mapped_column(comment="what the line billed")
    status: Mapped[DisputeStatus] = mapped_column(
        server_default="open", comment="that of its dispute"
    )
