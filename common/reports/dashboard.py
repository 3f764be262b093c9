"""A month at a glance: the totals of all customers, by part, and the pending work.

Invariant: nothing is written or kept; each figure is the sum of the reports at that moment.
"""

from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from common.billing_period import Period
from common.database.sql_loader import load_statement
from common.disputes.models import Dispute
from common.enums import DisputeStatus
from common.final_reports.closed_months import closed_months
from common.final_reports.models import BillingRun, LateAction, ParkedCustomer
from common.final_reports.runs import is_shown
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
    """The totals of all customers in a month and in those before it; `months` ends with it."""

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


def active_months(session: Session) -> list[Period]:
    """The months in which any customer has an action, newest first."""
    pairs = active_periods(session, None, None, None)
    return [Period(month) for month in sorted({month for _, month in pairs}, reverse=True)]


def overview(session: Session, month: Period) -> Overview:
    """The month and the eleven before it.

    An action without a price adds nothing to the amounts; `unpriced_actions` counts those of the
    month.
    """
    shown = _months_up_to(month)
    rows = session.execute(_OVERVIEW, overview_parameters(session, month)).all()
    by_month: dict[date, Totals] = {}
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
            by_month[row.period] = totals
            if row.period == month.start:
                without_user, unpriced = row.leads_without_user, row.unpriced
        else:
            name = row.customer_name or row.product_name or row.lead_type
            by_part[_Part(row.part)].append(Share(row.customer or row.product, name, totals))
    result.months.extend((month, by_month.get(month.start, Totals())) for month in shown)
    return Overview(
        result.months,
        result.by_customer,
        result.by_product,
        result.by_lead_type,
        without_user,
        unpriced,
    )


def overview_parameters(session: Session, month: Period) -> dict[str, object]:
    """The parameters of the overview's statement, with the open months of each customer."""
    first = _months_up_to(month)[0]
    still_open = closed_months(session).open_among(
        active_periods(session, None, first.start, month.end)
    )
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
class PendingWork:
    """How much of each kind needs somebody."""

    quarantined_leads: int
    late_actions: int
    parked_customers: int
    unfinished_runs: int
    open_disputes: int


def pending_work(session: Session) -> PendingWork:
    """What needs attention, in any month.

    Late actions arrived after their month was closed, and stand as prior-period lines on a draft.
    """
    counts = (
        select(func.count()).where(QuarantinedLead.replayed_at.is_(None)),
        select(func.count()).select_from(LateAction),
        select(func.count()).select_from(ParkedCustomer),
        select(func.count()).where(BillingRun.finished_at.is_(None), is_shown()),
        select(func.count()).where(Dispute.status == DisputeStatus.OPEN),
    )
    row = session.execute(select(*(count.scalar_subquery() for count in counts))).one()
    return PendingWork(*row)
