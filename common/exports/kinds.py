"""What can be exported, and as what."""

from enum import StrEnum


class ExportKind(StrEnum):
    """What a file holds."""

    LINES = "lines"
    REPORTS = "reports"
    INVOICES = "invoices"
    VERIFICATION = "verification"
    REPORT = "report"


class ExportFormat(StrEnum):
    """What a file is; quickbooks and xero are CSV with the columns of an accounting program."""

    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"
    XLSX = "xlsx"
    QUICKBOOKS = "quickbooks"
    XERO = "xero"
    PDF = "pdf"


class ExportStatus(StrEnum):
    """How far an export is."""

    QUEUED = "queued"
    RUNNING = "running"
    READY = "ready"
    FAILED = "failed"
    EXPIRED = "expired"


_TABLES = (ExportFormat.CSV, ExportFormat.NDJSON, ExportFormat.PARQUET, ExportFormat.XLSX)
# The reports of a verification come as a zip of JSON, whatever their number.
FORMATS_OF: dict[ExportKind, tuple[ExportFormat, ...]] = {
    ExportKind.LINES: _TABLES,
    ExportKind.REPORTS: _TABLES,
    ExportKind.INVOICES: (*_TABLES, ExportFormat.QUICKBOOKS, ExportFormat.XERO),
    ExportKind.VERIFICATION: (),
    # One report, as its own address answers it.
    ExportKind.REPORT: (ExportFormat.CSV, ExportFormat.NDJSON, ExportFormat.PDF),
}
DELIMITERS = (",", ";", "\t", "|")
DECIMAL_MARKS = (".", ",")


def extension_of(format: ExportFormat | None) -> str:
    if format is None:
        return "zip"
    is_csv = format in {ExportFormat.QUICKBOOKS, ExportFormat.XERO}
    return "csv" if is_csv else format.value


MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "zip": "application/zip",
    "pdf": "application/pdf",
}
# The others are compressed in themselves.
GZIPPED = frozenset({"csv", "ndjson"})
