"""Exports: what to export, and how far a file is."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from common.billing_period import PERIOD_PATTERN, Period
from common.exports import models
from common.exports.jobs import ExportOrder
from common.exports.kinds import ExportFormat, ExportKind, ExportStatus
from common.problems import FieldError, Invalid
from common.request_model import Id, RequestModel
from services.reports.api.schemas.answer import Answer, Month, Page, Uuid, of

MAX_CUSTOMERS = 10_000


class ExportBody(RequestModel):
    """A file to make. Without `customer_ids` it holds all reports that the key may see."""

    kind: ExportKind
    format: ExportFormat | None = Field(
        default=None, description="What the file is; a verification is a zip and takes none."
    )
    period: Annotated[
        str, Field(examples=["2024-04"], json_schema_extra={"pattern": PERIOD_PATTERN})
    ]
    customer_ids: Annotated[list[Id], Field(min_length=1, max_length=MAX_CUSTOMERS)] | None = None
    delimiter: Literal[",", ";", "\t", "|"] | None = Field(
        default=None, description="Of CSV; a semicolon where the decimal mark is a comma."
    )
    decimal: Literal[".", ","] | None = Field(default=None, description="Of amounts in CSV.")

    def order(self) -> ExportOrder:
        """Raises Invalid for a period that is none."""
        try:
            period = Period.parse(self.period)
        except ValueError as error:
            wrong = FieldError("/period", "invalid_period", str(error))
            raise Invalid("this cannot be exported", [wrong]) from None
        return ExportOrder(
            self.kind,
            self.format,
            period.start,
            self.customer_ids,
            self.delimiter,
            self.decimal,
        )


class Export(Answer):
    """A file that was asked for, and how far it is."""

    export_id: Uuid
    kind: ExportKind
    format: ExportFormat | None
    period: Month
    customer_count: int | None = Field(
        description="Customers that were named; null: all that the key may see."
    )
    status: ExportStatus
    rows_done: int = Field(description="Rows written so far; of a verification, reports.")
    rows_expected: int | None = of("rows_total", description="Null while it is not known.")
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime | None = Field(description="When the file is deleted.")
    error: str | None = Field(description="Why there is no file.")
    file_name: str | None
    file_bytes: int | None = Field(description="As it is kept: CSV and NDJSON are gzipped.")

    @classmethod
    def from_export(cls, stored: models.Export, **more: Any) -> Self:
        named = stored.customer_ids
        members: dict[str, Any] = {
            name: getattr(stored, name)
            for name in Export.model_fields
            if name not in {"customer_count", "rows_expected"}
        }
        return cls(
            **members,
            customer_count=None if named is None else len(named),
            rows_expected=stored.rows_total,
            **more,
        )


class ExportInstead(Export):
    """The export that stands for a file that is too large to be answered."""

    detail: str = Field(description="What to do, in a sentence.")


class ExportList(Page[Export]):
    """A page of exports, newest first."""
