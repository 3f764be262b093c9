"""The tables of the catalog: customers, products and lead types."""

import uuid
from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from common.database.base import Base, ByteOrdered, stored_at


class Customer(Base):
    """The B2B partner that is billed."""

    __tablename__ = "customers"

    customer_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    external_id: Mapped[str] = mapped_column(ByteOrdered, unique=True, comment="the caller's id")
    name: Mapped[str]
    email: Mapped[str] = mapped_column(unique=True, comment="lower case")
    timezone: Mapped[str] = mapped_column(server_default="UTC", comment="IANA time zone")
    created_at: Mapped[datetime] = stored_at()


class Product(Base):
    """What a lead is interested in."""

    __tablename__ = "products"

    product_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    external_id: Mapped[str] = mapped_column(ByteOrdered, unique=True, comment="the caller's id")
    name: Mapped[str]
    description: Mapped[str | None]
    created_at: Mapped[datetime] = stored_at()


class LeadType(Base):
    """The kinds of lead that are accepted. A new kind is a new row."""

    __tablename__ = "lead_types"

    lead_type: Mapped[str] = mapped_column(ByteOrdered, primary_key=True)
