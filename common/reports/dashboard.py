"""A month at a glance: the totals of all customers, by part, and the pending work.

Invariant: nothing is written or kept; each figure is the sum of the reports at that moment.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from common.billing_period import Period
from common.database.sql_loader import load_statement
from common.disputes.models import Dispute
from common.enums import DisputeStatus
from common.events.models import Webhook
from common.final_reports.models import BillingRun, LateAction, ParkedCustomer, run_is_shown
from common.leads.models import QuarantinedLead
from common.rating.line import Totals
from common.rating.periods import active_periods, totals_of
from common.rating.standing_totals.backlog import backlog_scope

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
    by_customer: list[Share]
    by_product: list[Share]
    by_lead_type: list[Share]
    leads_without_user: int
    unpriced_actions: int

    @property
    def totals(self) -> Totals:
        return self.months[-1][1]

    @property
    def totals_before(self) -> Totals:
        return self.months[-2][1]


def active_months(session: Session) -> list[Period]:
    """The months in which any customer has an action, newest first."""
    return months_of(active_periods(session, None, None, None))


def months_of(active: Iterable[tuple[UUID, date]]) -> list[Period]:
    """The months of some customers' months, newest first."""
    return [Period(month) for month in sorted({month for _, month in active}, reverse=True)]


def overview(session: Session, month: Period) -> Overview:
    """The month and the eleven before it.

    An action without a price adds nothing to the amounts; `unpriced_actions` counts those of the
    month.
    """
    by_month: dict[date, Totals] = {}
    by_part: dict[_Part, list[Share]] = {part: [] for part in _Part}
    without_user = unpriced = 0
    for row in session.execute(_OVERVIEW, overview_parameters(session, month)):
        totals = totals_of(row)
        if row.part == _Part.WHOLE:
            by_month[row.period] = totals
            if row.period == month.start:
                without_user, unpriced = row.leads_without_user, row.unpriced
        else:
            name = row.customer_name or row.product_name or row.lead_type
            by_part[_Part(row.part)].append(Share(row.customer or row.product, name, totals))
    return Overview(
        [(shown, by_month.get(shown.start, Totals())) for shown in _months_up_to(month)],
        by_part[_Part.CUSTOMER],
        by_part[_Part.PRODUCT],
        by_part[_Part.LEAD_TYPE],
        without_user,
        unpriced,
    )


def overview_parameters(session: Session, month: Period) -> dict[str, object]:
    """The parameters of the overview's statement, with what the standing totals do not hold yet."""
    first = _months_up_to(month)[0]
    behind = backlog_scope(session, None, None).of_periods(first.start, month.start)
    return behind.parameters() | {
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
    disabled_webhooks: int


def pending_work(session: Session) -> PendingWork:
    """What needs attention, in any month.

    Late actions arrived after their month was closed, and stand as prior-period lines on a draft.
    """
    counts = (
        select(func.count()).where(QuarantinedLead.replayed_at.is_(None)),
        select(func.count()).select_from(LateAction),
        select(func.count()).select_from(ParkedCustomer),
        select(func.count()).where(BillingRun.finished_at.is_(None), run_is_shown()),
        select(func.count()).where(Dispute.status == DisputeStatus.OPEN),
        select(func.count()).where(Webhook.disabled_because.is_not(None)),
    )
    row = session.execute(select(*(count.scalar_subquery() for count in counts))).one()
    return PendingWork(*row)
