"""The table of API keys."""

import uuid
from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column, relationship

from common.catalog.models import Customer
from common.database.base import Base, ByteOrdered, reference, stored_at
from common.enums import Role


class ApiKey(Base):
    """Who may use the API. Of the key itself only a hash is here."""

    __tablename__ = "api_keys"

    key_id: Mapped[str] = mapped_column(ByteOrdered, primary_key=True)
    name: Mapped[str]
    role: Mapped[Role]
    customer_id: Mapped[uuid.UUID | None] = mapped_column(reference("customers.customer_id"))
    secret_hash: Mapped[bytes]
    created_at: Mapped[datetime] = stored_at()
    expires_at: Mapped[datetime | None]
    rotated_from: Mapped[str | None] = mapped_column(ByteOrdered, reference("api_keys.key_id"))

    customer: Mapped[Customer | None] = relationship(lazy="joined")
