"""The table of voided actions."""

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from common.database.base import Base, ByteOrdered, stored_at
from common.enums import EngagementLevel


class VoidedAction(Base):
    """An action that was sent by mistake, whole, and who voided it, when and why.

    It left the actions when it came here (alembic/sql/voiding.sql), so rating does not meet it. It
    is never edited, and never goes back.
    """

    __tablename__ = "voided_actions"
    __table_args__ = (
        ForeignKeyConstraint(
            ["customer_id", "lead_id"], ["leads.customer_id", "leads.lead_id"], ondelete="RESTRICT"
        ),
        CheckConstraint("reason <> ''", "says_why"),
    )

    customer_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    lead_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    action_id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, comment="what it had as an action: sent again, it has it too"
    )
    product_id: Mapped[uuid.UUID]
    user_key: Mapped[uuid.UUID]
    lead_type: Mapped[str] = mapped_column(ByteOrdered)
    lead_created_at: Mapped[datetime]
    action_type: Mapped[str]
    action_key: Mapped[str] = mapped_column(ByteOrdered)
    engagement_level: Mapped[EngagementLevel]
    timestamp: Mapped[datetime]
    occurrence: Mapped[int]
    received_at: Mapped[datetime]
    reason: Mapped[str] = mapped_column(comment="why it was sent by mistake")
    voided_by: Mapped[str] = mapped_column(
        server_default=text(
            "coalesce(nullif(current_setting('lead_billing.actor', true), ''), "
            "'database role ' || session_user)"
        ),
        comment="a key, a command, or a database role",
    )
    voided_at: Mapped[datetime] = stored_at()
