"""The tables of webhooks, and of what they are told."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Identity, func, text
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlalchemy.orm import Mapped, mapped_column, relationship

from common.catalog.models import Customer
from common.database.base import Base, reference, stored_at


class Webhook(Base):
    """An address that is told about events. Of its secret only a salt is here (signing.py)."""

    __tablename__ = "webhooks"

    webhook_id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, server_default=func.gen_random_uuid()
    )
    customer_id: Mapped[uuid.UUID | None] = mapped_column(reference("customers.customer_id"))
    url: Mapped[str]
    events: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    secret_salt: Mapped[bytes]
    previous_salt: Mapped[bytes | None]
    previous_until: Mapped[datetime | None]
    created_at: Mapped[datetime] = stored_at()
    disabled_at: Mapped[datetime | None]
    disabled_because: Mapped[str | None]

    customer: Mapped[Customer | None] = relationship(lazy="joined")


class WebhookDelivery(Base):
    """An event that a webhook is told: a row of the outbox, before and after it is sent."""

    __tablename__ = "webhook_deliveries"

    customer_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    delivery_id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, server_default=func.gen_random_uuid()
    )
    webhook_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("webhooks.webhook_id", ondelete="CASCADE")
    )
    owner_id: Mapped[uuid.UUID | None]
    position: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    message_id: Mapped[uuid.UUID] = mapped_column(server_default=func.gen_random_uuid())
    event_type: Mapped[str]
    data: Mapped[dict[str, Any]]
    occurred_at: Mapped[datetime] = stored_at()
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_attempt_at: Mapped[datetime] = stored_at()
    failing_since: Mapped[datetime | None]
    last_attempt_at: Mapped[datetime | None]
    last_status: Mapped[int | None]
    last_error: Mapped[str | None]
    delivered_at: Mapped[datetime | None]
