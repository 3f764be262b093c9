"""The table of exports."""

import uuid
from datetime import UTC, date, datetime

from sqlalchemy import BigInteger, text
from sqlalchemy.dialects.postgresql import ARRAY, UUID
from sqlalchemy.orm import Mapped, mapped_column

from common.database.base import Base, reference, stored_at
from common.exports.kinds import ExportStatus


class Export(Base):
    """A file that was asked for, and how far it is."""

    __tablename__ = "exports"

    export_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[uuid.UUID | None] = mapped_column(reference("customers.customer_id"))
    created_by: Mapped[str]
    actor: Mapped[str]
    created_at: Mapped[datetime] = stored_at()
    kind: Mapped[str]
    format: Mapped[str | None]
    period: Mapped[date]
    customer_ids: Mapped[list[uuid.UUID] | None] = mapped_column(ARRAY(UUID(as_uuid=True)))
    delimiter: Mapped[str | None]
    decimal_mark: Mapped[str | None]
    unmasked: Mapped[bool] = mapped_column(server_default=text("false"))
    content_hash: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    lease_id: Mapped[uuid.UUID | None]
    leased_until: Mapped[datetime | None]
    rows_total: Mapped[int | None]
    rows_done: Mapped[int] = mapped_column(server_default=text("0"))
    finished_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    error: Mapped[str | None]
    file_name: Mapped[str | None]
    file_bytes: Mapped[int | None] = mapped_column(BigInteger)

    @property
    def status(self) -> ExportStatus:
        if self.error is not None:
            return ExportStatus.FAILED
        if self.finished_at is None:
            return ExportStatus.RUNNING if self.lease_id is not None else ExportStatus.QUEUED
        has_expired = self.expires_at is not None and self.expires_at <= datetime.now(UTC)
        is_gone = self.file_name is None or has_expired
        return ExportStatus.EXPIRED if is_gone else ExportStatus.READY

    @property
    def file_key(self) -> str:
        """Where the file is in the file store."""
        return f"exports/{self.export_id}"
