"""What closing a month would do: what each customer would be billed, and what stands in the way.

Invariant: nothing here writes; what it says of a customer is what closing would come to now.
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
from common.final_reports.late_actions import all_late_periods
from common.final_reports.store import all_closed_through
from common.problems import Unpriced
from common.rating.active_periods import active_periods
from common.rating.period_totals import Entry, draft_entries
from common.rating.scope import Scope
from common.rating.totals import Totals


@dataclass(frozen=True, slots=True)
class Prospect:
    """One customer's month before it is closed. `blocked`: why it cannot be, where it cannot."""

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
    """The customers whose month is open, by id, and how many others have it closed."""

    prospects: list[Prospect]
    already_closed: int

    @property
    def ready(self) -> list[Prospect]:
        return [each for each in self.prospects if each.blocked is None]

    @property
    def blocked(self) -> list[Prospect]:
        return [each for each in self.prospects if each.blocked is not None]


def preview(session: Session, period: Period, now: datetime) -> Preview:
    """What closing the month for everybody would do."""
    customers = customers_to_close(session, period, None)
    through = all_closed_through(session)
    still_open = [
        each
        for each in customers
        if each.customer_id not in through or through[each.customer_id] < period.start
    ]
    earlier = _first_open_months(session, through, period)
    late = all_late_periods(session, None)
    credits = pending_cents(session, None)
    pairs = [(each.customer_id, period.start) for each in still_open]
    pairs += [(owner, month) for owner, month in late if month < period.start]
    entries, unpriced = _entries(session, pairs)
    prospects = []
    for each in still_open:
        own = entries.get(each.customer_id, [])
        totals = next((entry.totals for entry in own if entry.period == period.start), Totals())
        prior = sum(entry.totals.billed_cents for entry in own if entry.period != period.start)
        prospects.append(
            Prospect(
                each,
                totals,
                prior,
                credits.get(each.customer_id, 0),
                _blocked(each, period, now, earlier.get(each.customer_id))
                or unpriced.get(each.customer_id),
            )
        )
    return Preview(prospects, len(customers) - len(still_open))


def month_to_close(session: Session, now: datetime) -> Period:
    """The oldest open month with actions, of any customer; the month before this one if none is."""
    through = all_closed_through(session)
    still_open = [
        month
        for owner, month in active_periods(session, None, None, None)
        if owner not in through or month > through[owner]
    ]
    return Period(min(still_open)) if still_open else Period(now.date().replace(day=1)).before


def _blocked(
    customer: Customer, period: Period, now: datetime, earlier: Period | None
) -> str | None:
    if now.astimezone(ZoneInfo(customer.timezone)).date() < period.end:
        return f"{period.name} is not over yet in {customer.timezone}"
    if earlier is not None:
        return f"{earlier.name} is still open and must be closed before"
    return None


def _first_open_months(
    session: Session, through: dict[UUID, date], period: Period
) -> dict[UUID, Period]:
    first: dict[UUID, Period] = {}
    for owner, month in active_periods(session, None, None, period.start):
        is_open = owner not in through or month > through[owner]
        if is_open and (owner not in first or month < first[owner].start):
            first[owner] = Period(month)
    return first


def _entries(
    session: Session, pairs: list[tuple[UUID, date]]
) -> tuple[dict[UUID, list[Entry]], dict[UUID, str]]:
    """Each customer's months, decided in one go; where one has no price, each by itself."""
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
