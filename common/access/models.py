"""The table of API keys."""

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from common.catalog.models import Customer
from common.database.base import Base, ByteOrdered, shared, stored_at
from common.enums import Role


class ApiKey(Base):
    """Who may use the API. Of the key itself only a hash is here."""

    __tablename__ = "api_keys"
    __table_args__ = (
        CheckConstraint(
            "role <> 'admin' or customer_id is null", "an_admin_belongs_to_no_customer"
        ),
        CheckConstraint("octet_length(secret_hash) = 32", "secret_hash_is_sha256"),
        shared("a key is looked up before its customer is known"),
    )

    key_id: Mapped[str] = mapped_column(ByteOrdered, primary_key=True, comment="part of the key")
    name: Mapped[str] = mapped_column(comment="who or what uses it")
    role: Mapped[Role]
    customer_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("customers.customer_id", ondelete="RESTRICT"),
        comment="null: of every customer; else sees and sends this one's data alone",
    )
    secret_hash: Mapped[bytes] = mapped_column(comment="SHA-256 of the whole key")
    created_at: Mapped[datetime] = stored_at()
    expires_at: Mapped[datetime | None] = mapped_column(comment="refused from then on")
    rotated_from: Mapped[str | None] = mapped_column(
        ByteOrdered,
        ForeignKey("api_keys.key_id", ondelete="RESTRICT"),
        comment="the key that was rotated",
    )

    customer: Mapped[Customer | None] = relationship(lazy="joined")
