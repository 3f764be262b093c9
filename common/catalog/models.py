"""The tables of the catalog: customers, products and lead types."""

import uuid
from datetime import date, datetime

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from common.database.base import Base, ByteOrdered, shared, stored_at


class Customer(Base):
    """The B2B partner that is billed.

    Only closing a period moves `closed_through`, and only forward; a trigger refuses anything else
    (alembic/sql/guards.sql).
    """

    __tablename__ = "customers"
    __table_args__ = (
        CheckConstraint("extract(day from closed_through) = 1", "closed_through_starts_a_month"),
        shared("one row each; ids and emails are unique among all of them"),
    )

    customer_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    external_id: Mapped[str] = mapped_column(ByteOrdered, unique=True, comment="the caller's id")
    name: Mapped[str]
    email: Mapped[str] = mapped_column(unique=True, comment="lower case")
    timezone: Mapped[str] = mapped_column(server_default="UTC", comment="IANA time zone")
    closed_through: Mapped[date | None] = mapped_column(
        comment="the period of the last final report: it and all before it are closed"
    )
    created_at: Mapped[datetime] = stored_at()


class Product(Base):
    """What a lead is interested in."""

    __tablename__ = "products"
    __table_args__ = shared("leads of several customers may be about one product")

    product_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    external_id: Mapped[str] = mapped_column(ByteOrdered, unique=True, comment="the caller's id")
    name: Mapped[str]
    description: Mapped[str | None]
    created_at: Mapped[datetime] = stored_at()


class LeadType(Base):
    """The kinds of lead that are accepted. A new kind is a new row."""

    __tablename__ = "lead_types"
    __table_args__ = shared("a list of names")

    lead_type: Mapped[str] = mapped_column(ByteOrdered, primary_key=True)
