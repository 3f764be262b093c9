"""Imports of files: how far they are, and what a dry run says."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from common.file_store.store import FileStore
from common.imports import models, uploads
from common.imports.imported_files import DryRun as Tried
from common.imports.importing import Refusal
from common.leads.results import Status
from services.reports.api.schemas.answer import Answer, Uuid
from services.reports.api.schemas.problems import FieldError


class Counts(Answer):
    """Rows by what became of their leads."""

    created: int
    updated: int
    unchanged: int
    voided: int
    quarantined: int
    conflict: int
    invalid: int

    @classmethod
    def of(cls, counts: Mapping[Any, int]) -> "Counts":
        return cls(**{name: counts.get(Status(name), 0) for name in cls.model_fields})


class Import(Answer):
    """A file that was sent, and how far it is."""

    dry_run: Literal[False] = False
    import_id: Uuid
    status: models.ImportStatus = Field(
        description="Unfinished: it is at work, or stopped. A file that was sent as a body goes on "
        "when it is sent again, an uploaded one by itself. Refused: `error` says why. Expired: the "
        "address was not used in time."
    )
    file_name: str | None
    created_at: datetime
    finished_at: datetime | None
    error: str | None = Field(description="Why an uploaded file was refused as a whole.")
    rows: int = Field(description="0 until an uploaded file has been read.")
    rows_done: int
    counts: Counts
    actions_added: int
    refused: int = Field(description="Rows of …/refused.csv: invalid and conflict.")

    @classmethod
    def from_import(cls, stored: models.Import) -> "Import":
        return cls(
            import_id=str(stored.import_id),
            status=stored.status,
            file_name=stored.file_name,
            created_at=stored.created_at,
            finished_at=stored.finished_at,
            error=stored.error,
            rows=stored.row_count,
            rows_done=stored.rows_done,
            counts=Counts.of(stored.counts),
            actions_added=stored.actions_added,
            refused=stored.refused_count,
        )


class UploadAddress(Answer):
    """An address that takes one file."""

    method: Literal["PUT"] = Field(default="PUT", description="How to send it.")
    address: str = Field(
        description="Relative to this service, or of S3. It is a secret: it needs no key."
    )
    headers: dict[str, str] = Field(description="Headers that the request must have.")
    file_bytes: int = Field(description="The size that the file must have.")
    expires_at: datetime = Field(description="Until when the upload may begin.")


class AwaitedImport(Import):
    """An import that waits for its file."""

    upload: UploadAddress = Field(description="Where to send the file.")

    @classmethod
    def from_upload(cls, begun: uploads.Upload, store: FileStore) -> "AwaitedImport":
        awaiting = begun.awaiting
        size = awaiting.file_bytes or 0
        outside = store.upload_address(str(awaiting.file_key), size)
        own = f"imports/{awaiting.import_id}/file?token={begun.token}"
        upload = UploadAddress(
            address=outside.address if outside else own,
            headers=outside.headers if outside else {},
            file_bytes=size,
            expires_at=awaiting.upload_until,
        )
        return cls(**Import.from_import(awaiting).model_dump(), upload=upload)


class RefusedRow(Answer):
    """A row that would be refused. Rows are counted from 1, below the header."""

    row: int
    status: Status
    errors: list[FieldError]

    @classmethod
    def from_refusal(cls, refusal: Refusal) -> "RefusedRow":
        errors = [FieldError.model_validate(error) for error in refusal.errors]
        return cls(row=refusal.row.number, status=refusal.status, errors=errors)


class DryRun(Answer):
    """What an import would do: nothing was stored."""

    dry_run: Literal[True] = True
    rows: int
    rows_done: int
    counts: Counts
    actions_added: int
    refused_rows: int = Field(description="Rows that would be refused, in all.")
    refused: list[RefusedRow] = Field(description="The first 1,000 of them.")
    first_leads: list[dict[str, Any] | None] = Field(
        description="The leads of the first rows; null for a row that has none."
    )

    @classmethod
    def from_tried(cls, tried: Tried) -> "DryRun":
        return cls(
            rows=tried.row_count,
            rows_done=tried.rows_done,
            counts=Counts.of(tried.statuses),
            actions_added=tried.actions_added,
            refused_rows=tried.refused_count,
            refused=[RefusedRow.from_refusal(refusal) for refusal in tried.refusals],
            first_leads=[lead for _, lead in tried.first_rows],
        )
