"""What closing a month would do: what each customer would be billed, and what prevents it.

Invariant: nothing here writes, and closing a customer's month now would give the amounts shown.
"""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from common.billing_period import Period
from common.catalog.models import Customer
from common.closing.runs import customers_to_close
from common.disputes.credits import pending_cents
from common.final_reports.closed_months import ClosedMonths, closed_months
from common.final_reports.late_actions import late_periods
from common.problems import Unpriced
from common.rating.active_periods import active_periods
from common.rating.period_totals import Entry, draft_entries
from common.rating.scope import Scope
from common.rating.totals import Totals


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
        return self.totals.billed_cents + self.prior_billed_cents - self.credit_cents


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


def preview(session: Session, period: Period, now: datetime) -> Preview:
    """What closing the month of every customer would do."""
    customers = customers_to_close(session, period, None)
    closed = closed_months(session)
    still_open = [
        customer for customer in customers if closed.is_open(customer.customer_id, period.start)
    ]
    earlier = _earliest_open_months(session, closed, period)
    credits = pending_cents(session, None)
    pairs = [(customer.customer_id, period.start) for customer in still_open]
    pairs += [
        (owner, month) for owner, month in late_periods(session, None) if month < period.start
    ]
    entries, unpriced = _entries(session, pairs)
    prospects = []
    for customer in still_open:
        owner = customer.customer_id
        months = {entry.period: entry.totals for entry in entries.get(owner, [])}
        totals = months.pop(period.start, Totals())
        prospects.append(
            Prospect(
                customer,
                totals,
                sum(prior.billed_cents for prior in months.values()),
                credits.get(owner, 0),
                _blocked(customer, period, now, earlier.get(owner)) or unpriced.get(owner),
            )
        )
    return Preview(prospects, len(customers) - len(still_open))


def month_to_close(session: Session, now: datetime) -> Period:
    """The oldest open month with actions, of any customer; if there is none, last month."""
    still_open = closed_months(session).open_among(active_periods(session, None, None, None))
    if not still_open:
        return Period(now.date().replace(day=1)).before
    return Period(min(month for _, month in still_open))


def _blocked(
    customer: Customer, period: Period, now: datetime, earlier: Period | None
) -> str | None:
    if now.astimezone(ZoneInfo(customer.timezone)).date() < period.end:
        return f"{period.name} is not over yet in {customer.timezone}"
    if earlier is not None:
        return f"{earlier.name} is still open and must be closed first"
    return None


def _earliest_open_months(
    session: Session, closed: ClosedMonths, period: Period
) -> dict[UUID, Period]:
    """The earliest open month with actions before `period`, of each customer that has one."""
    earliest: dict[UUID, Period] = {}
    active = active_periods(session, None, None, period.start)
    for owner, month in sorted(closed.open_among(active), reverse=True):
        earliest[owner] = Period(month)
    return earliest


def _entries(
    session: Session, pairs: list[tuple[UUID, date]]
) -> tuple[dict[UUID, list[Entry]], dict[UUID, str]]:
    """Each customer's months, rated in one statement; one by one if an action has no price."""
    found: dict[UUID, list[Entry]] = {}
    unpriced: dict[UUID, str] = {}
    try:
        entries = draft_entries(session, Scope(pairs))
    except Unpriced:
        entries = []
        for pair in pairs:
            try:
                entries += draft_entries(session, Scope([pair]))
            except Unpriced as problem:
                unpriced[pair[0]] = problem.detail
    for entry in entries:
        found.setdefault(entry.customer_id, []).append(entry)
    return found, unpriced
