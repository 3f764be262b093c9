"""A step of the background worker: makes the files that were asked for, and deletes old ones.

Invariant: an export shows its worker what the caller's key may see, and nothing else; and a file is
in the store whole, or the export has none.
"""

import logging
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from common.billing_period import Period
from common.catalog.models import Customer
from common.database.transactions import acting_as, snapshot
from common.enums import ReportStatus
from common.exports.accounting import quickbooks_table, xero_table
from common.exports.entries import entries_of, report_table
from common.exports.invoices import invoice_table, invoices_of
from common.exports.jobs import (
    MAX_ATTEMPTS,
    Interrupted,
    Progress,
    expired_exports,
    fail_export,
    finish_export,
    forget_file,
    give_back,
    keeping_lease,
    take_export,
)
from common.exports.kinds import (
    GZIPPED,
    MEDIA_TYPES,
    ExportFormat,
    ExportKind,
    extension_of,
)
from common.exports.lines import line_table
from common.exports.models import Export
from common.exports.one_report import count_lines
from common.exports.table import Table
from common.file_store.store import FileStore, StoredFile, file_store
from common.leads.masking import masked_user
from common.problems import DatabaseUnavailable, Problem
from common.rating.periods import PeriodTotals
from common.reports.months import find_month
from common.settings import Settings
from services.reports.http.content_negotiation import chosen_format
from services.reports.render.files.writers import (
    CsvStyle,
    write_csv,
    write_ndjson,
    write_parquet,
    write_xlsx,
)
from services.reports.report_files import write_report
from services.reports.verification_files import write_verification

logger = logging.getLogger("lead_billing.exports")


def make_exports(settings: Settings, stopping: threading.Event) -> bool:
    """Makes the export that waits longest, or else deletes files whose time is over."""
    if settings.file_store_bucket is None and settings.file_store_dir is None:
        return False
    store = file_store(settings)
    export = take_export()
    if export is None:
        return _delete_expired(store)
    if export.attempts > MAX_ATTEMPTS:
        fail_export(export, f"the worker ended {MAX_ATTEMPTS} times while it made this file")
        return True
    try:
        with keeping_lease(export, stopping) as progress:
            _make(export, store, progress)
    except Interrupted:
        give_back(export, counts=False)
    except DatabaseUnavailable:
        raise  # the lease runs out, and the next attempt begins anew
    except Problem as problem:
        fail_export(export, problem.detail)
    except Exception:
        if export.attempts < MAX_ATTEMPTS:
            give_back(export, counts=True)
        else:
            fail_export(export, "the file could not be made; the log says why")
        raise
    return True


def file_of(export: Export) -> StoredFile:
    """What a reader is told of an export's file."""
    extension = extension_of(_format_of(export))
    return StoredFile(export.file_name or "", MEDIA_TYPES[extension], extension in GZIPPED)


def _file_name_of(session: Session, export: Export) -> str:
    program = f"-{export.format}" if export.format in {"quickbooks", "xero"} else ""
    extension = extension_of(_format_of(export))
    is_of_one = export.kind == ExportKind.REPORT
    subject = _customer_of(session, export) if is_of_one else export.kind
    return f"{subject}-{Period(export.period)}{program}.{extension}"


def _make(export: Export, store: FileStore, progress: Progress) -> None:
    with TemporaryDirectory(prefix="lead-billing-export-") as folder:
        path = Path(folder) / "file"
        with acting_as(export.actor, export.customer_id), snapshot() as session:
            chosen = None if export.customer_ids is None else set(export.customer_ids)
            name = _file_name_of(session, export)
            _write(session, export, chosen, path, progress)
        size = path.stat().st_size
        store.put(export.file_key, path, file_of(export)._replace(name=name))
        finish_export(export, name, size, progress.rows_done)


def _write(
    session: Session, export: Export, chosen: set[UUID] | None, path: Path, progress: Progress
) -> None:
    kind = ExportKind(export.kind)
    if kind is ExportKind.REPORT:
        _write_report(session, export, path, progress)
        return
    is_of_finals = kind in {ExportKind.INVOICES, ExportKind.VERIFICATION}
    status = ReportStatus.FINAL if is_of_finals else None
    entries = entries_of(session, export.period, chosen, status)
    progress.rows_total = _expected_rows(kind, entries)
    if kind is ExportKind.VERIFICATION:
        write_verification(session, entries, path, progress.add)
        return
    table = _table(session, export, kind, entries)
    match _format_of(export):
        case ExportFormat.NDJSON:
            write_ndjson(table, path, progress.add)
        case ExportFormat.PARQUET:
            write_parquet(table, path, progress.add)
        case ExportFormat.XLSX:
            write_xlsx(table, path, progress.add)
        case _:
            write_csv(table, path, progress.add, _csv_style(export))


def _write_report(session: Session, export: Export, path: Path, progress: Progress) -> None:
    month = find_month(session, _customer_of(session, export), Period(export.period))
    progress.rows_total = count_lines(session, month)
    form = chosen_format(export.format, None)
    write_report(session, month, form, path, unmasked=export.unmasked, wrote=progress.add)


def _customer_of(session: Session, export: Export) -> str:
    names = customers_of(session, export) or []
    return names[0]


def _table(
    session: Session, export: Export, kind: ExportKind, entries: list[PeriodTotals]
) -> Table:
    if kind is ExportKind.LINES:
        return line_table(session, entries, masked_user)
    if kind is ExportKind.REPORTS:
        return report_table(session, entries)
    invoices = invoices_of(session, entries)
    match _format_of(export):
        case ExportFormat.QUICKBOOKS:
            return quickbooks_table(invoices)
        case ExportFormat.XERO:
            return xero_table(invoices)
        case _:
            return invoice_table(invoices)


def _expected_rows(kind: ExportKind, entries: list[PeriodTotals]) -> int | None:
    match kind:
        case ExportKind.LINES:
            return sum(entry.totals.actions for entry in entries)
        case ExportKind.INVOICES:
            return None
        case _:
            return len(entries)


def _csv_style(export: Export) -> CsvStyle:
    mark = export.decimal_mark or "."
    return CsvStyle(export.delimiter or (";" if mark == "," else ","), mark)


def _format_of(export: Export) -> ExportFormat | None:
    return None if export.format is None else ExportFormat(export.format)


def _delete_expired(store: FileStore) -> bool:
    expired = expired_exports()
    for export in expired:
        store.delete(export.file_key)
        forget_file(export)
    return bool(expired)


def customers_of(session: Session, export: Export) -> list[str] | None:
    """The ids of the customers that an export was asked for."""
    if export.customer_ids is None:
        return None
    query = select(Customer.external_id).where(Customer.customer_id.in_(export.customer_ids))
    return list(session.scalars(query.order_by(Customer.external_id)))
