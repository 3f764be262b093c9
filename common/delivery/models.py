"""The table of deliveries."""

import uuid
from datetime import datetime

from sqlalchemy import func, text
from sqlalchemy.orm import Mapped, mapped_column

from common.database.base import Base, stored_at
from common.enums import MailStatus


class Delivery(Base):
    """One mail of a final report to one recipient. Closing writes the first one."""

    __tablename__ = "deliveries"

    customer_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    report_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    recipient: Mapped[str] = mapped_column(primary_key=True)
    delivery_number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    status: Mapped[MailStatus] = mapped_column(server_default="pending")
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_attempt_at: Mapped[datetime] = mapped_column(server_default=func.now())
    provider_id: Mapped[str | None]
    detail: Mapped[str | None]
    created_at: Mapped[datetime] = stored_at()
    sent_at: Mapped[datetime | None]
