"""The tables of imports and of stored mappings."""

import uuid
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, text
from sqlalchemy.orm import Mapped, deferred, mapped_column

from common.database.base import Base, ByteOrdered, reference, stored_at


class ImportStatus(StrEnum):
    """How far an import is. Only a file with an address of its own is awaited, refused or expired;
    what is wrong with a file in a request is refused at once."""

    AWAITING_FILE = "awaiting_file"
    EXPIRED = "expired"
    UNFINISHED = "unfinished"
    FINISHED = "finished"
    REFUSED = "refused"


class Import(Base):
    """One file that was sent, and how far it is."""

    __tablename__ = "imports"

    import_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[uuid.UUID | None] = mapped_column(reference("customers.customer_id"))
    created_by: Mapped[str]
    created_at: Mapped[datetime] = stored_at()
    finished_at: Mapped[datetime | None]
    file_name: Mapped[str | None]
    content_hash: Mapped[bytes | None]
    mapping: Mapped[dict[str, Any]]
    row_count: Mapped[int]
    rows_done: Mapped[int]
    counts: Mapped[dict[str, Any]]
    actions_added: Mapped[int]
    refused_count: Mapped[int]
    refused: Mapped[str | None] = deferred(mapped_column())
    file_key: Mapped[str | None]
    file_bytes: Mapped[int | None] = mapped_column(BigInteger)
    upload_token_hash: Mapped[bytes | None]
    upload_until: Mapped[datetime | None]
    arrived_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    lease_id: Mapped[uuid.UUID | None]
    leased_until: Mapped[datetime | None]
    error: Mapped[str | None]

    @property
    def is_finished(self) -> bool:
        return self.finished_at is not None

    @property
    def is_uploaded(self) -> bool:
        """Whether its file is one that the background worker imports."""
        return self.file_bytes is not None

    @property
    def is_over(self) -> bool:
        return self.status in {ImportStatus.FINISHED, ImportStatus.REFUSED, ImportStatus.EXPIRED}

    @property
    def status(self) -> ImportStatus:
        if self.is_finished:
            return ImportStatus.FINISHED
        if self.error is not None:
            return ImportStatus.REFUSED
        if self.arrived_at is not None or self.upload_until is None:
            return ImportStatus.UNFINISHED
        is_awaited = datetime.now(UTC) < self.upload_until
        return ImportStatus.AWAITING_FILE if is_awaited else ImportStatus.EXPIRED


class StoredMapping(Base):
    """A mapping that is kept under a name."""

    __tablename__ = "mappings"

    mapping_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[uuid.UUID | None] = mapped_column(reference("customers.customer_id"))
    name: Mapped[str] = mapped_column(ByteOrdered)
    mapping: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = stored_at()
