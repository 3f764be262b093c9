"""A month at a glance: what all customers come to, by part, and what waits for somebody.

Invariant: nothing here writes or is kept; each figure is what the reports of that moment add up to.
"""

from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum
from uuid import UUID

from sqlalchemy import Connection, func, select, text

from common.billing_period import Period
from common.database.sql_loader import load_statement
from common.disputes.models import Dispute
from common.enums import DisputeStatus
from common.final_reports.models import BillingRun, LateAction, ParkedCustomer
from common.final_reports.runs import is_shown
from common.final_reports.store import all_closed_through
from common.leads.models import QuarantinedLead
from common.rating.active_periods import active_periods
from common.rating.period_totals import totals_of
from common.rating.scope import Scope
from common.rating.totals import Totals

MONTHS_SHOWN = 12

_OVERVIEW = text(load_statement("reports", "dashboard"))


class _Part(IntEnum):
    """PostgreSQL's grouping() of customer, product and lead type."""

    CUSTOMER = 0b011
    PRODUCT = 0b101
    LEAD_TYPE = 0b110
    WHOLE = 0b111


@dataclass(frozen=True, slots=True)
class Share:
    """A customer's, a product's or a lead type's part of a month. A lead type has no id."""

    id: str | None
    name: str
    totals: Totals


@dataclass(frozen=True, slots=True)
class Overview:
    """What all customers come to in a month and in those before it. The last of `months` is it."""

    months: list[tuple[Period, Totals]]
    by_customer: list[Share] = field(default_factory=list)
    by_product: list[Share] = field(default_factory=list)
    by_lead_type: list[Share] = field(default_factory=list)
    leads_without_user: int = 0
    unpriced_actions: int = 0

    @property
    def totals(self) -> Totals:
        return self.months[-1][1]

    @property
    def totals_before(self) -> Totals:
        return self.months[-2][1]


def active_months(connection: Connection) -> list[Period]:
    """The months in which any customer has an action, the newest first."""
    pairs = active_periods(connection, None, None, None)
    return [Period(month) for month in sorted({month for _, month in pairs}, reverse=True)]


def overview(connection: Connection, month: Period) -> Overview:
    """The month and the eleven before it.

    An action without a price counts as none of the money; `unpriced_actions` says how many of the
    month's there are.
    """
    shown = _months_up_to(month)
    rows = connection.execute(_OVERVIEW, overview_parameters(connection, month)).all()
    found: dict[date, Totals] = {}
    result = Overview([])
    by_part = {
        _Part.CUSTOMER: result.by_customer,
        _Part.PRODUCT: result.by_product,
        _Part.LEAD_TYPE: result.by_lead_type,
    }
    without_user = unpriced = 0
    for row in rows:
        totals = totals_of(row)
        if row.part == _Part.WHOLE:
            found[row.period] = totals
            if row.period == month.start:
                without_user, unpriced = row.leads_without_user, row.unpriced
        else:
            name = row.customer_name or row.product_name or row.lead_type
            by_part[_Part(row.part)].append(Share(row.customer or row.product, name, totals))
    result.months.extend((each, found.get(each.start, Totals())) for each in shown)
    return Overview(
        result.months,
        result.by_customer,
        result.by_product,
        result.by_lead_type,
        without_user,
        unpriced,
    )


def overview_parameters(connection: Connection, month: Period) -> dict[str, object]:
    """What the overview's statement is given: the months of each customer that are still open."""
    first = _months_up_to(month)[0]
    through = all_closed_through(connection)
    still_open: list[tuple[UUID, date]] = [
        (customer, period)
        for customer, period in active_periods(connection, None, first.start, month.end)
        if customer not in through or period > through[customer]
    ]
    return Scope(still_open).parameters() | {
        "month": month.start,
        "first_month": first.start,
        "whole": _Part.WHOLE.value,
    }


def _months_up_to(month: Period) -> list[Period]:
    shown = [month]
    while len(shown) < MONTHS_SHOWN and shown[-1].start > date(1, 1, 1):
        shown.append(shown[-1].before)
    return shown[::-1]


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much of each kind waits for somebody."""

    quarantined_leads: int
    late_actions: int
    parked_customers: int
    unfinished_runs: int
    open_disputes: int


def waiting(connection: Connection) -> Waiting:
    """What needs attention, whichever month it belongs to.

    Late actions came for a closed month, and stand as prior-period lines on a draft.
    """
    held = select(func.count()).select_from(QuarantinedLead)
    late = select(func.count()).select_from(LateAction)
    parked = select(func.count()).select_from(ParkedCustomer)
    unfinished = select(func.count()).select_from(BillingRun)
    disputed = select(func.count()).select_from(Dispute)
    return Waiting(
        connection.scalar(held.where(QuarantinedLead.replayed_at.is_(None))) or 0,
        connection.scalar(late) or 0,
        connection.scalar(parked) or 0,
        connection.scalar(unfinished.where(BillingRun.finished_at.is_(None), is_shown())) or 0,
        connection.scalar(disputed.where(Dispute.status == DisputeStatus.OPEN)) or 0,
    )
