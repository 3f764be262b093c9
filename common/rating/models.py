"""The tables of rate cards."""

import uuid
from datetime import date, datetime

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from common.catalog.models import Customer, Product
from common.database.base import Base, ByteOrdered, shared, stored_at
from common.enums import CapScope, EngagementLevel


class RateCard(Base):
    """Prices and cap in force from a month's start; versioned and never edited.

    The default card belongs to all customers, so no key of this table can lead with one.
    """

    __tablename__ = "rate_cards"
    __table_args__ = (
        UniqueConstraint("customer_id", "version", postgresql_nulls_not_distinct=True),
        CheckConstraint("extract(day from valid_from) = 1", "valid_from_starts_a_month"),
        CheckConstraint("version >= 1", "version_counts_from_one"),
        CheckConstraint("cap_cents >= 0", "cap_is_not_negative"),
        CheckConstraint("dispute_window_days >= 0", "dispute_window_is_not_negative"),
        CheckConstraint("customer_id is not null or not follows_default", "default_follows_none"),
        shared("the default card belongs to everybody, so cards have keys of their own"),
    )

    rate_card_id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, server_default=func.gen_random_uuid()
    )
    customer_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("customers.customer_id", ondelete="RESTRICT"),
        comment="null: the default card",
    )
    name: Mapped[str]
    version: Mapped[int]
    valid_from: Mapped[date] = mapped_column(comment="first day of the first month it prices")
    currency: Mapped[str] = mapped_column(server_default="USD", comment="ISO 4217")
    cap_cents: Mapped[int] = mapped_column(server_default=text("10000"))
    cap_scope: Mapped[CapScope] = mapped_column(server_default="user")
    dispute_window_days: Mapped[int] = mapped_column(
        server_default=text("60"), comment="how long a final report's lines can be disputed"
    )
    follows_default: Mapped[bool] = mapped_column(
        server_default=text("false"),
        comment="from its month on the default card prices its customer again",
    )
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
    __table_args__ = (
        UniqueConstraint(
            "rate_card_id",
            "engagement_level",
            "lead_type",
            "product_id",
            name="uq_rate_card_rates_place",
            postgresql_nulls_not_distinct=True,
        ),
        CheckConstraint("amount_cents >= 0", "amount_is_not_negative"),
        shared("the prices of rate cards"),
    )

    rate_id: Mapped[int] = mapped_column(primary_key=True)
    rate_card_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("rate_cards.rate_card_id", ondelete="RESTRICT")
    )
    customer_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("customers.customer_id", ondelete="RESTRICT"), comment="that of its card"
    )
    engagement_level: Mapped[EngagementLevel]
    lead_type: Mapped[str | None] = mapped_column(
        ByteOrdered,
        ForeignKey("lead_types.lead_type", ondelete="RESTRICT"),
        comment="null: any",
    )
    product_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("products.product_id", ondelete="RESTRICT"), comment="null: any"
    )
    amount_cents: Mapped[int]

    product: Mapped[Product | None] = relationship(lazy="joined")


class RateCardChargedDuplicates(Base):
    """A lead type whose duplicates a card charges: its actions repeat nothing."""

    __tablename__ = "rate_card_charged_duplicates"
    __table_args__ = shared("the lead types whose duplicates rate cards charge")

    rate_card_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("rate_cards.rate_card_id", ondelete="RESTRICT"), primary_key=True
    )
    lead_type: Mapped[str] = mapped_column(
        ByteOrdered, ForeignKey("lead_types.lead_type", ondelete="RESTRICT"), primary_key=True
    )
    customer_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("customers.customer_id", ondelete="RESTRICT"), comment="that of its card"
    )
