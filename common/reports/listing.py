"""The list of reports: one entry per customer and period."""

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from common.billing_period import Period
from common.catalog.models import Customer
from common.disputes.credits import pending_cents
from common.enums import ReportStatus
from common.final_reports.entries import final_entries
from common.final_reports.late_actions import all_late_periods
from common.final_reports.models import BillingReport
from common.final_reports.store import (
    all_closed_through,
)
from common.rating.active_periods import active_periods
from common.rating.period_totals import Entry, draft_entries
from common.rating.scope import Scope
from common.rating.totals import Totals


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries of the list of reports are wanted; what is None does not narrow.

    `start` and `end` choose lines inside the months: instants, or bare dates that mean midnight in
    the customer's zone; `end` is exclusive.
    """

    customer_id: UUID | None = None
    period: Period | None = None
    status: ReportStatus | None = None
    start: date | datetime | None = None
    end: date | datetime | None = None


class EntryKey(NamedTuple):
    """Where an entry stands in the list."""

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


def list_entries(connection: Connection, wanted: EntryFilter) -> list[Entry]:
    """One entry per customer and month, newest first. Raises Unpriced.

    Without a range, each says what is due, and an open month has one too that holds nothing but
    prior-period lines or credits.
    """
    finals = _final_reports(connection, wanted)
    through = all_closed_through(connection)
    entries: list[Entry] = []
    if wanted.status is not ReportStatus.FINAL:
        pairs = active_periods(
            connection,
            wanted.customer_id,
            wanted.start if wanted.period is None else wanted.period.start,
            wanted.end if wanted.period is None else wanted.period.end,
        )
        still_open = [
            (customer, period)
            for customer, period in pairs
            if customer not in through or period > through[customer]
        ]
        scope = Scope(still_open, start=wanted.start, end=wanted.end)
        drafts = draft_entries(connection, scope)
        is_whole = wanted.start is None and wanted.end is None
        entries += _with_dues(connection, wanted, through, drafts) if is_whole else drafts
    if wanted.status is not ReportStatus.DRAFT:
        if wanted.start is None and wanted.end is None:
            entries += [_final_entry(stored, customer) for stored, customer in finals]
        else:
            pairs = [(stored.customer_id, stored.period) for stored, _ in finals]
            scope = Scope(pairs, start=wanted.start, end=wanted.end)
            entries += final_entries(connection, scope)
    return sorted(entries, key=lambda entry: (-entry.period.toordinal(), entry.customer))


def _with_dues(
    connection: Connection, wanted: EntryFilter, through: dict[UUID, date], drafts: list[Entry]
) -> list[Entry]:
    """The drafts with what is due; and those that hold only what others carry over to them."""
    carried = _carried(connection, wanted, through)
    dues = [
        entry._replace(
            due_cents=entry.totals.billed_cents + carried.pop((entry.customer_id, entry.period), 0)
        )
        for entry in drafts
    ]
    without_lines = dict(carried.keys())
    found = select(Customer).where(Customer.customer_id.in_(without_lines))
    return dues + [
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
        for customer in Session(connection).scalars(found)
    ]


def _carried(
    connection: Connection, wanted: EntryFilter, through: dict[UUID, date]
) -> Counter[tuple[UUID, date]]:
    """What prior-period lines and credits come to on each first open month that has some."""
    late = [
        (customer, period)
        for customer, period in all_late_periods(connection, wanted.customer_id)
        if _is_wanted(wanted, Period(through[customer]).end)
    ]
    carried: Counter[tuple[UUID, date]] = Counter()
    for entry in draft_entries(connection, Scope(late)):
        first_open = Period(through[entry.customer_id]).end
        carried[entry.customer_id, first_open] += entry.totals.billed_cents
    for customer, cents in pending_cents(connection, wanted.customer_id).items():
        first_open = Period(through[customer]).end
        if _is_wanted(wanted, first_open):
            carried[customer, first_open] -= cents
    return carried


def _is_wanted(wanted: EntryFilter, month: date) -> bool:
    return wanted.period is None or wanted.period.start == month


def _final_reports(
    connection: Connection, wanted: EntryFilter
) -> list[tuple[BillingReport, Customer]]:
    query = select(BillingReport, Customer).join(
        Customer, Customer.customer_id == BillingReport.customer_id
    )
    if wanted.customer_id is not None:
        query = query.where(BillingReport.customer_id == wanted.customer_id)
    if wanted.period is not None:
        query = query.where(BillingReport.period == wanted.period.start)
    return [(stored, customer) for stored, customer in Session(connection).execute(query)]


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
