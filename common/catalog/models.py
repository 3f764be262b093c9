"""The tables of the catalog: customers, products and lead types."""

import uuid
from datetime import date, datetime

from sqlalchemy import text
from sqlalchemy.orm import Mapped, mapped_column

from common.database.base import Base, ByteOrdered, stored_at


class Customer(Base):
    """The B2B partner that is billed.

    Only closing a period moves `closed_through`, and only forward; a trigger refuses anything else
    (alembic/sql/guards.sql).
    """

    __tablename__ = "customers"

    customer_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    external_id: Mapped[str] = mapped_column(ByteOrdered)
    name: Mapped[str]
    email: Mapped[str]
    timezone: Mapped[str] = mapped_column(server_default="UTC")
    phone_region: Mapped[str | None]
    billing_address: Mapped[str | None]
    tax_id: Mapped[str | None]
    payment_terms_days: Mapped[int] = mapped_column(server_default=text("30"))
    billing_email: Mapped[str | None]
    closed_through: Mapped[date | None]
    created_at: Mapped[datetime] = stored_at()


class Product(Base):
    """What a lead is interested in."""

    __tablename__ = "products"

    product_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    external_id: Mapped[str] = mapped_column(ByteOrdered)
    name: Mapped[str]
    description: Mapped[str | None]
    created_at: Mapped[datetime] = stored_at()


class LeadType(Base):
    """The kinds of lead that are accepted. A new kind is a new row."""

    __tablename__ = "lead_types"

    lead_type: Mapped[str] = mapped_column(ByteOrdered, primary_key=True)
    lead_type_key: Mapped[str] = mapped_column(ByteOrdered)
