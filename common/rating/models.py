"""The tables of rate cards."""

import uuid
from datetime import date, datetime

from sqlalchemy import func, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from common.catalog.models import Customer, Product
from common.database.base import Base, ByteOrdered, reference, stored_at
from common.enums import CapScope, EngagementLevel

DISPUTE_WINDOW_DAYS = 60  # of a card that does not say


class RateCard(Base):
    """Prices and cap in force from a month's start; versioned and never edited.

    The default card belongs to all customers, so no key of this table can lead with one.
    """

    __tablename__ = "rate_cards"

    rate_card_id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, server_default=func.gen_random_uuid()
    )
    customer_id: Mapped[uuid.UUID | None] = mapped_column(reference("customers.customer_id"))
    name: Mapped[str]
    version: Mapped[int]
    valid_from: Mapped[date]
    currency: Mapped[str] = mapped_column(server_default="USD")
    cap_cents: Mapped[int] = mapped_column(server_default=text("10000"))
    cap_scope: Mapped[CapScope] = mapped_column(server_default="user")
    dispute_window_days: Mapped[int] = mapped_column(server_default=text(str(DISPUTE_WINDOW_DAYS)))
    follows_default: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[datetime] = stored_at()

    customer: Mapped[Customer | None] = relationship(lazy="joined")
    rates: Mapped[list["RateCardRate"]] = relationship(
        order_by="RateCardRate.rate_id", lazy="selectin"
    )
    charged_duplicates: Mapped[list["RateCardChargedDuplicates"]] = relationship(
        order_by="RateCardChargedDuplicates.lead_type", lazy="selectin"
    )


class RateCardRate(Base):
    """One price of a card. The most specific one wins (docs/billing-rules.md, Price)."""

    __tablename__ = "rate_card_rates"

    rate_id: Mapped[int] = mapped_column(primary_key=True)
    rate_card_id: Mapped[uuid.UUID] = mapped_column(reference("rate_cards.rate_card_id"))
    customer_id: Mapped[uuid.UUID | None] = mapped_column(reference("customers.customer_id"))
    engagement_level: Mapped[EngagementLevel]
    lead_type: Mapped[str | None] = mapped_column(ByteOrdered, reference("lead_types.lead_type"))
    product_id: Mapped[uuid.UUID | None] = mapped_column(reference("products.product_id"))
    amount_cents: Mapped[int]

    product: Mapped[Product | None] = relationship(lazy="joined")


class RateCardChargedDuplicates(Base):
    """A lead type whose duplicates a card charges: its actions repeat nothing."""

    __tablename__ = "rate_card_charged_duplicates"

    rate_card_id: Mapped[uuid.UUID] = mapped_column(
        reference("rate_cards.rate_card_id"), primary_key=True
    )
    lead_type: Mapped[str] = mapped_column(
        ByteOrdered, reference("lead_types.lead_type"), primary_key=True
    )
    customer_id: Mapped[uuid.UUID | None] = mapped_column(reference("customers.customer_id"))
