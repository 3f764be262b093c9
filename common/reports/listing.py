"""The list of reports: one entry per customer and period."""

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from common.billing_period import Period
from common.catalog.models import Customer
from common.disputes.credits import pending_cents
from common.enums import ReportStatus
from common.final_reports.closed_months import closed_months
from common.final_reports.entries import final_entries
from common.final_reports.late_actions import late_periods
from common.final_reports.models import BillingReport
from common.rating.active_periods import active_periods
from common.rating.period_totals import Entry, draft_entries
from common.rating.scope import Scope
from common.rating.totals import Totals


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


def key_of(entry: Entry) -> EntryKey:
    return EntryKey(str(Period(entry.period)), entry.customer)


def entries_after(entries: list[Entry], after: EntryKey | None) -> list[Entry]:
    """The entries of a list behind `after`: earlier periods, or the same one and later ids."""
    if after is None:
        return entries
    return [
        entry
        for entry in entries
        if (key := key_of(entry)).period < after.period
        or (key.period == after.period and key.customer_id > after.customer_id)
    ]


def list_entries(session: Session, filters: EntryFilter) -> list[Entry]:
    """One entry per customer and month, newest first. Raises Unpriced.

    Without a range, each says what is due, and an open month without lines of its own has one too
    if it holds prior-period lines or credits.
    """
    is_whole = filters.start is None and filters.end is None
    finals = _final_reports(session, filters)
    entries: list[Entry] = []
    if filters.status is not ReportStatus.FINAL:
        entries += _drafts(session, filters, is_whole)
    if filters.status is not ReportStatus.DRAFT:
        if is_whole:
            entries += [_final_entry(stored, customer) for stored, customer in finals]
        else:
            pairs = [(stored.customer_id, stored.period) for stored, _ in finals]
            scope = Scope(pairs, start=filters.start, end=filters.end)
            entries += final_entries(session, scope)
    return sorted(entries, key=lambda entry: (-entry.period.toordinal(), entry.customer))


def _drafts(session: Session, filters: EntryFilter, is_whole: bool) -> list[Entry]:
    """The open months, rated once together with the late actions that are due on them."""
    closed = closed_months(session, filters.customer_id)
    period = filters.period
    pairs = closed.open_among(
        active_periods(
            session,
            filters.customer_id,
            filters.start if period is None else period.start,
            filters.end if period is None else period.end,
        )
    )
    if not is_whole:
        return draft_entries(session, Scope(pairs, start=filters.start, end=filters.end))
    pairs += [
        (customer, month)
        for customer, month in late_periods(session, filters.customer_id)
        if period is None or period.start == closed.first_open(customer)
    ]
    carried: Counter[tuple[UUID, date]] = Counter()
    drafts = []
    for entry in draft_entries(session, Scope(pairs)):
        customer = entry.customer_id
        if closed.is_open(customer, entry.period):
            drafts.append(entry)
        else:
            carried[customer, closed.first_open(customer)] += entry.totals.billed_cents
    for customer, cents in pending_cents(session, filters.customer_id).items():
        if period is None or period.start == closed.first_open(customer):
            carried[customer, closed.first_open(customer)] -= cents
    return _with_dues(session, drafts, carried)


def _with_dues(
    session: Session, drafts: list[Entry], carried: Counter[tuple[UUID, date]]
) -> list[Entry]:
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
        Entry(
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


def _final_entry(stored: BillingReport, customer: Customer) -> Entry:
    return Entry(
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
