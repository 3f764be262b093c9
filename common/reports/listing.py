"""The list of reports: one entry per customer and period."""

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from common.billing_period import Period
from common.catalog.models import Customer
from common.database.sql_loader import load_statement
from common.disputes.credits import pending_cents
from common.enums import ReportStatus
from common.final_reports.closed_months import ClosedMonths, closed_months, late_periods
from common.final_reports.models import BillingReport
from common.rating.line import Totals
from common.rating.periods import PeriodTotals, RatingScope, active_periods, period_totals
from common.rating.standing_totals.backlog import backlog_scope
from common.rating.standing_totals.read import month_totals

_REPORT_TOTALS = text(load_statement("reports", "report_totals"))


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries of the list of reports to show; a filter that is None is left out.

    `start` and `end` choose lines inside the months: instants, or bare dates that mean midnight in
    the customer's zone; `end` is exclusive.
    """

    customer_id: UUID | None = None
    period: Period | None = None
    status: ReportStatus | None = None
    start: date | datetime | None = None
    end: date | datetime | None = None


class EntryKey(NamedTuple):
    """The position of an entry in the list, for a cursor."""

    period: str
    customer_id: str


def key_of(entry: PeriodTotals) -> EntryKey:
    return EntryKey(str(Period(entry.period)), entry.customer)


def entries_after(entries: list[PeriodTotals], after: EntryKey | None) -> list[PeriodTotals]:
    """The entries of a list behind `after`: earlier periods, or the same one and later ids."""
    if after is None:
        return entries
    return [
        entry
        for entry in entries
        if (key := key_of(entry)).period < after.period
        or (key.period == after.period and key.customer_id > after.customer_id)
    ]


def list_entries(session: Session, filters: EntryFilter) -> list[PeriodTotals]:
    """One entry per customer and month, newest first. Raises Unpriced.

    Without a range, each says what is due, and an open month without lines of its own has one too
    if it holds prior-period lines or credits.
    """
    is_whole = filters.start is None and filters.end is None
    finals = _final_reports(session, filters)
    entries: list[PeriodTotals] = []
    if filters.status is not ReportStatus.FINAL:
        entries += _drafts(session, filters, is_whole)
    if filters.status is not ReportStatus.DRAFT:
        if is_whole:
            entries += [_final_entry(stored, customer) for stored, customer in finals]
        else:
            pairs = [(stored.customer_id, stored.period) for stored, _ in finals]
            scope = RatingScope(pairs, start=filters.start, end=filters.end)
            entries += period_totals(session, scope, _REPORT_TOTALS, ReportStatus.FINAL)
    return sorted(entries, key=lambda entry: (-entry.period.toordinal(), entry.customer))


def _drafts(session: Session, filters: EntryFilter, is_whole: bool) -> list[PeriodTotals]:
    """The open months, together with the late actions that are due on them."""
    closed = closed_months(session, filters.customer_id)
    period = filters.period
    if not is_whole:
        return _drafts_in_range(session, filters, closed)
    late = [
        (customer, month)
        for customer, month in late_periods(session, filters.customer_id)
        if period is None or period.start == closed.first_open(customer)
    ]
    start = None if period is None else period.start
    behind = backlog_scope(session, filters.customer_id, start)
    carried: Counter[tuple[UUID, date]] = Counter()
    drafts = []
    for entry in month_totals(session, behind, filters.customer_id, start, late):
        customer = entry.customer_id
        if closed.is_open(customer, entry.period):
            drafts.append(entry)
        else:
            carried[customer, closed.first_open(customer)] += entry.totals.billed_cents
    for (customer, month), cents in pending_cents(session, filters.customer_id).items():
        if period is None or period.start == month:
            carried[customer, month] -= cents
    return _with_dues(session, drafts, carried)


def _drafts_in_range(
    session: Session, filters: EntryFilter, closed: ClosedMonths
) -> list[PeriodTotals]:
    """What lines inside a range of instants come to: each month is rated whole for it."""
    period = filters.period
    pairs = active_periods(
        session,
        filters.customer_id,
        filters.start if period is None else period.start,
        filters.end if period is None else period.end,
    )
    scope = RatingScope(closed.open_among(pairs), start=filters.start, end=filters.end)
    return period_totals(session, scope)


def _with_dues(
    session: Session, drafts: list[PeriodTotals], carried: Counter[tuple[UUID, date]]
) -> list[PeriodTotals]:
    """The drafts with what is due, and the months that hold only what others carry over to them."""
    entries = [
        entry._replace(
            due_cents=entry.totals.billed_cents + carried.pop((entry.customer_id, entry.period), 0)
        )
        for entry in drafts
    ]
    if not carried:
        return entries
    without_lines = dict(carried.keys())
    customers = select(Customer).where(Customer.customer_id.in_(without_lines))
    return entries + [
        PeriodTotals(
            customer.customer_id,
            customer.external_id,
            customer.name,
            customer.timezone,
            without_lines[customer.customer_id],
            ReportStatus.DRAFT,
            Totals(),
            carried[customer.customer_id, without_lines[customer.customer_id]],
        )
        for customer in session.scalars(customers)
    ]


def _final_reports(session: Session, filters: EntryFilter) -> list[tuple[BillingReport, Customer]]:
    query = select(BillingReport, Customer).join(
        Customer, Customer.customer_id == BillingReport.customer_id
    )
    if filters.customer_id is not None:
        query = query.where(BillingReport.customer_id == filters.customer_id)
    if filters.period is not None:
        query = query.where(BillingReport.period == filters.period.start)
    return [(stored, customer) for stored, customer in session.execute(query)]


def _final_entry(stored: BillingReport, customer: Customer) -> PeriodTotals:
    return PeriodTotals(
        stored.customer_id,
        customer.external_id,
        stored.customer_name,
        stored.timezone,
        stored.period,
        ReportStatus.FINAL,
        Totals(
            stored.gross_cents,
            stored.billed_cents,
            stored.duplicate_cents,
            stored.cap_cents,
            stored.lead_count,
            stored.action_count,
        ),
        stored.due_cents,
    )
