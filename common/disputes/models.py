"""The tables of disputes."""

import uuid
from datetime import datetime

from sqlalchemy import func
from sqlalchemy.orm import Mapped, mapped_column

from common.database.base import Base, OfCustomer, stored_at
from common.enums import DisputeReason, DisputeStatus


class Dispute(Base):
    """Billed lines of one lead that the customer does not accept, and the decision about them."""

    __tablename__ = "disputes"

    customer_id: Mapped[OfCustomer]
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
    """A disputed line. It has one open dispute at a time, and none after an accepted one.

    While it stands on a draft, it has no report, number and amount: closing gives it these. A guard
    checks that the final line billed as much (alembic/sql/guards.sql).
    """

    __tablename__ = "dispute_lines"

    customer_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    dispute_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    action_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    report_id: Mapped[uuid.UUID | None]
    line_number: Mapped[int | None]
    amount_cents: Mapped[int | None]
    status: Mapped[DisputeStatus] = mapped_column(server_default="open")
