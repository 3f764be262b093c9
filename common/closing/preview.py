"""What closing a month would do: what each customer would be billed, and what prevents it.

Invariant: nothing here writes, and closing a customer's month now would give the amounts shown.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from common.billing_period import Period
from common.catalog.models import Customer
from common.closing.close_period import closed_too_early, still_open
from common.closing.runs import customers_to_close
from common.disputes.credits import pending_cents
from common.final_reports.closed_months import ClosedMonths, closed_months, late_periods
from common.problems import Unpriced
from common.rating.line import Totals
from common.rating.periods import PeriodTotals, RatingScope, active_periods, period_totals
from common.rating.standing_totals.backlog import backlog_scope
from common.rating.standing_totals.read import month_totals


@dataclass(frozen=True, slots=True)
class Prospect:
    """One customer's month before it is closed. `blocked` says why it can't be closed yet."""

    customer: Customer
    totals: Totals
    prior_billed_cents: int
    credit_cents: int
    blocked: str | None

    @property
    def due_cents(self) -> int:
        return self.totals.billed_cents + self.prior_billed_cents + self.credit_cents


@dataclass(frozen=True, slots=True)
class Preview:
    """The customers whose month is open, in the order of their ids, and how many closed it."""

    prospects: list[Prospect]
    already_closed: int

    @property
    def ready(self) -> list[Prospect]:
        return [prospect for prospect in self.prospects if prospect.blocked is None]

    @property
    def blocked(self) -> list[Prospect]:
        return [prospect for prospect in self.prospects if prospect.blocked is not None]


def preview_through(session: Session, last: Period, now: datetime) -> dict[Period, Preview]:
    """What closing all months that are over, up to `last`, would do: the oldest month first.

    What carries over, late actions and credits, stands on the first of a customer's months.
    """
    active = active_periods(session, None, None, last.end)
    closed_before: dict[UUID, date] = {}
    previews: dict[Period, Preview] = {}
    for month, _ in unclosed_months(session, active, now):
        if month.start <= last.start:
            previews[month] = preview(session, month, now, closed_before)
            ready = (each.customer.customer_id for each in previews[month].ready)
            closed_before |= dict.fromkeys(ready, month.start)
    return previews


def preview(
    session: Session,
    period: Period,
    now: datetime,
    closed_before: Mapping[UUID, date] = MappingProxyType({}),
) -> Preview:
    """What closing the month of every customer would do.

    `closed_before`: the open month of some customers that would be closed just before this one.
    """
    customers = customers_to_close(session, period, None)
    closed = closed_months(session)
    open_customers = [
        customer for customer in customers if closed.is_open(customer.customer_id, period.start)
    ]
    earlier = _earliest_open_months(session, closed, period, closed_before)
    credits: Counter[UUID] = Counter()
    for (owner, month), cents in pending_cents(session, None).items():
        if closed_before.get(owner, date.min) < month <= period.start:
            credits[owner] -= cents
    late = [
        (owner, month)
        for owner, month in late_periods(session, None)
        if month < period.start and owner not in closed_before
    ]
    entries, unpriced = _entries(session, open_customers, period, late)
    prospects = []
    for customer in open_customers:
        owner = customer.customer_id
        months = {entry.period: entry.totals for entry in entries.get(owner, [])}
        totals = months.pop(period.start, Totals())
        prospects.append(
            Prospect(
                customer,
                totals,
                sum(prior.billed_cents for prior in months.values()),
                credits[owner],
                _blocked(customer, period, now, earlier.get(owner)) or unpriced.get(owner),
            )
        )
    return Preview(prospects, len(customers) - len(open_customers))


def month_to_close(session: Session, now: datetime) -> Period:
    """The oldest open month with actions, of any customer; if there is none, last month."""
    open_months = closed_months(session).open_among(active_periods(session, None, None, None))
    if not open_months:
        return Period(now.date().replace(day=1)).before
    return Period(min(month for _, month in open_months))


def unclosed_months(
    session: Session, active: Sequence[tuple[UUID, date]], now: datetime
) -> list[tuple[Period, int]]:
    """The months that are over and open, oldest first, and how many customers have each open.

    `active` are the months with actions, each with its customer. A month is over when it has ended
    in the customer's time zone.
    """
    owners = select(Customer.customer_id, Customer.timezone, Customer.closed_through)
    running: dict[str, date] = {}  # the month it is in each zone
    between: dict[UUID, tuple[date, date]] = {}  # the closed month and the running one
    for owner, zone, closed_through in session.execute(owners):
        if zone not in running:
            running[zone] = now.astimezone(ZoneInfo(zone)).date().replace(day=1)
        between[owner] = closed_through or date.min, running[zone]
    unclosed = Counter(
        month
        for owner, month in active
        if owner in between and between[owner][0] < month < between[owner][1]
    )
    return [(Period(month), unclosed[month]) for month in sorted(unclosed)]


def _blocked(
    customer: Customer, period: Period, now: datetime, earlier: Period | None
) -> str | None:
    if now.astimezone(ZoneInfo(customer.timezone)).date() < period.end:
        return still_open(period, customer.timezone).detail
    if earlier is not None:
        return closed_too_early(period, earlier).detail
    return None


def _earliest_open_months(
    session: Session, closed: ClosedMonths, period: Period, closed_before: Mapping[UUID, date]
) -> dict[UUID, Period]:
    """The earliest open month with actions before `period`, of each customer that has one."""
    earliest: dict[UUID, Period] = {}
    active = active_periods(session, None, None, period.start)
    for owner, month in sorted(closed.open_among(active), reverse=True):
        if month > closed_before.get(owner, date.min):
            earliest[owner] = Period(month)
    return earliest


def _entries(
    session: Session, customers: list[Customer], period: Period, late: list[tuple[UUID, date]]
) -> tuple[dict[UUID, list[PeriodTotals]], dict[UUID, str]]:
    """Each customer's month and late actions, read at once; one by one if one has no price."""
    found: dict[UUID, list[PeriodTotals]] = {}
    unpriced: dict[UUID, str] = {}
    try:
        behind = backlog_scope(session, None, period.start)
        entries = month_totals(session, behind, period=period.start, late=late)
    except Unpriced:
        entries = []
        for pair in [*((customer.customer_id, period.start) for customer in customers), *late]:
            try:
                entries += period_totals(session, RatingScope([pair]))
            except Unpriced as problem:
                unpriced[pair[0]] = problem.detail
    for entry in entries:
        found.setdefault(entry.customer_id, []).append(entry)
    return found, unpriced
