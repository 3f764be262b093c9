"""The table of idempotency keys, and of the answers that were given under them."""

import uuid
from datetime import datetime

from sqlalchemy import LargeBinary, SmallInteger, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from common.database.base import Base, ByteOrdered


class IdempotencyKey(Base):
    """A key that a caller sent with a request, and the answer to it once there is one."""

    __tablename__ = "idempotency_keys"

    customer_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    api_key_id: Mapped[str] = mapped_column(ByteOrdered, primary_key=True)
    key_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    request_hash: Mapped[bytes]
    lease_id: Mapped[uuid.UUID]
    leased_until: Mapped[datetime]
    is_carried_out: Mapped[bool] = mapped_column(server_default=text("false"))
    status: Mapped[int | None] = mapped_column(SmallInteger)
    headers: Mapped[dict[str, str] | None] = mapped_column(JSONB)
    body: Mapped[bytes | None]
    expires_at: Mapped[datetime] = mapped_column(
        server_default=func.now() + text("interval '24 hours'")
    )
