"""The tables of imports and of stored mappings."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Mapped, deferred, mapped_column

from common.database.base import Base, ByteOrdered, reference, stored_at


class Import(Base):
    """One file that was sent, and how far it is."""

    __tablename__ = "imports"

    import_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[uuid.UUID | None] = mapped_column(reference("customers.customer_id"))
    created_by: Mapped[str]
    created_at: Mapped[datetime] = stored_at()
    finished_at: Mapped[datetime | None]
    file_name: Mapped[str | None]
    content_hash: Mapped[bytes]
    mapping: Mapped[dict[str, Any]]
    row_count: Mapped[int]
    rows_done: Mapped[int]
    counts: Mapped[dict[str, Any]]
    actions_added: Mapped[int]
    refused_count: Mapped[int]
    refused: Mapped[str | None] = deferred(mapped_column())

    @property
    def is_finished(self) -> bool:
        return self.finished_at is not None


class StoredMapping(Base):
    """A mapping that is kept under a name."""

    __tablename__ = "mappings"

    mapping_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[uuid.UUID | None] = mapped_column(reference("customers.customer_id"))
    name: Mapped[str] = mapped_column(ByteOrdered)
    mapping: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = stored_at()
