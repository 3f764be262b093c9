"""Whose reports an export holds, and a row for each of them.

Invariant: nothing is rated for this. Drafts are read from what stands (common/reports/listing.py).
"""

from collections.abc import Collection
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from common import identifiers
from common.billing_period import Period
from common.enums import ReportStatus
from common.exports.table import Column, Kind, Table
from common.final_reports.models import BillingReport
from common.money import CURRENCY
from common.rating.periods import PeriodTotals
from common.reports.listing import EntryFilter, list_entries

REPORT_COLUMNS = (
    Column("customer_id", Kind.TEXT),
    Column("customer_name", Kind.TEXT),
    Column("report_id", Kind.CODE),
    Column("period", Kind.CODE),
    Column("timezone", Kind.CODE),
    Column("status", Kind.CODE),
    Column("currency", Kind.CODE),
    Column("leads", Kind.COUNT),
    Column("actions", Kind.COUNT),
    Column("gross", Kind.AMOUNT),
    Column("duplicate_saving", Kind.AMOUNT),
    Column("cap_saving", Kind.AMOUNT),
    Column("billed", Kind.AMOUNT),
    Column("carried_over", Kind.AMOUNT),
    Column("due", Kind.AMOUNT),
    Column("finalized_at", Kind.MOMENT),
    Column("content_hash", Kind.CODE),
)


def entries_of(
    session: Session,
    period: date,
    customer_ids: Collection[UUID] | None,
    status: ReportStatus | None = None,
) -> list[PeriodTotals]:
    """The reports of a month by their customers' ids. Raises Unpriced."""
    filters = EntryFilter(period=Period(period), status=status)
    entries = list_entries(session, filters)
    return [entry for entry in entries if customer_ids is None or entry.customer_id in customer_ids]


def report_id_of(entry: PeriodTotals) -> str:
    return str(identifiers.report_id(entry.customer_id, str(Period(entry.period))))


def report_table(session: Session, entries: list[PeriodTotals]) -> Table:
    """A row for each report. `carried_over`: its prior-period lines less its credits."""
    finals = {
        row.customer_id: row
        for row in session.execute(
            select(
                BillingReport.customer_id, BillingReport.finalized_at, BillingReport.content_hash
            ).where(BillingReport.period.in_({entry.period for entry in entries}))
        )
    }

    def row(entry: PeriodTotals) -> tuple[Any, ...]:
        totals, due = entry.totals, entry.due_cents or 0
        final = finals.get(entry.customer_id) if entry.status is ReportStatus.FINAL else None
        return (
            entry.customer,
            entry.customer_name,
            report_id_of(entry),
            str(Period(entry.period)),
            entry.timezone,
            entry.status.value,
            CURRENCY,
            totals.leads,
            totals.actions,
            totals.gross_cents,
            totals.duplicate_cents,
            totals.cap_cents,
            totals.billed_cents,
            due - totals.billed_cents,
            due,
            final and final.finalized_at,
            final and final.content_hash,
        )

    return Table(REPORT_COLUMNS, map(row, entries))
