"""A customer's month as a report finds it: open, final, or closed with a later one."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import and_, exists, func, literal_column, select
from sqlalchemy.orm import Session

from common import identifiers
from common.billing_period import Period, first_open_month
from common.catalog.models import Customer
from common.disputes.models import DisputeLine
from common.disputes.schemas import dispute_until
from common.enums import CapScope
from common.final_reports.models import (
    NOT_SEALED,
    SEAL_COLUMNS,
    BillingReport,
    LateAction,
    SealedReport,
)
from common.leads.models import Action, Lead
from common.problems import NotFound
from common.rating.models import RateCard
from common.rating.rate_cards import CardInForce


@dataclass(frozen=True, slots=True)
class Month:
    """A customer's month, with its final report.

    A month without actions has no report of its own; `closed_with` is the later report that also
    closed this month. `card` is the final report's. `late_periods` are the closed periods with
    actions that are on no final report yet, oldest first. `has_disputed_drafts`: a line of a draft
    of the customer is disputed. If the month `is_first_open`, prior-period lines and credits of
    final lines stand on its draft (docs/billing-rules.md, Closing a period). `leads_in_doubt`:
    those with actions of the month whose user has a value that is not usable.
    """

    customer: Customer
    period: Period
    final: BillingReport | None
    closed_with: BillingReport | None
    card: CardInForce | None
    late_periods: list[date]
    has_disputed_drafts: bool
    dispute_until: datetime | None
    leads_in_doubt: int
    is_first_open: bool
    seal: SealedReport = NOT_SEALED

    @property
    def timezone(self) -> str:
        """As it was when the month was closed."""
        closing = self.final or self.closed_with
        return self.customer.timezone if closing is None else closing.timezone


def find_month(
    session: Session, customer_id: str, period: Period, *, counts_doubts: bool = True
) -> Month:
    """The month of a customer, by the customer's id. Raises NotFound for an unknown customer.

    Without `counts_doubts`, `leads_in_doubt` is 0: for pages, which do not show it.
    """
    late_periods = (
        select(LateAction.period)
        .where(LateAction.customer_id == Customer.customer_id)
        .distinct()
        .order_by(LateAction.period)
    )
    disputed_drafts = exists().where(
        DisputeLine.customer_id == Customer.customer_id, DisputeLine.report_id.is_(None)
    )
    # Without the offset, PostgreSQL would read all actions of the month, for a few leads.
    in_month = (
        select(Action.action_id)
        .where(
            Action.customer_id == Customer.customer_id,
            Action.lead_id == Lead.lead_id,
            Action.timestamp >= func.local_midnight(period.start, Customer.timezone),
            Action.timestamp < func.period_end(period.start, Customer.timezone),
        )
        .correlate(Customer, Lead)
        .offset(literal_column("0"))
    )
    in_doubt = (
        select(func.count())
        .where(
            Lead.customer_id == Customer.customer_id,
            func.cardinality(Lead.unusable) > 0,
            in_month.exists(),
        )
        .correlate(Customer)
        .scalar_subquery()
    )
    # The month's own report, else the next one.
    row = session.execute(
        select(
            Customer,
            BillingReport,
            func.array(late_periods.scalar_subquery()),
            disputed_drafts,
            in_doubt if counts_doubts else literal_column("0"),
            RateCard.dispute_window_days,
            RateCard.rate_card_id,
            RateCard.name,
            RateCard.version,
            RateCard.customer_id.is_(None),
            RateCard.cap_scope == CapScope.USER_AND_PRODUCT,
            *SEAL_COLUMNS,
        )
        .outerjoin(
            BillingReport,
            and_(
                BillingReport.customer_id == Customer.customer_id,
                BillingReport.period >= period.start,
            ),
        )
        .outerjoin(RateCard, RateCard.rate_card_id == BillingReport.rate_card_id)
        .where(Customer.customer_id == identifiers.customer_id(customer_id))
        .order_by(BillingReport.period)
        .limit(1)
    ).first()
    if row is None:
        raise NotFound(f"no customer {customer_id!r} is registered")
    customer, report, late, has_disputed_drafts, leads_in_doubt, window_days, *rest = row
    *card, signature, head = rest
    closed_through = customer.closed_through
    is_final = report is not None and report.period == period.start
    return Month(
        customer,
        period,
        final=report if is_final else None,
        closed_with=None if is_final else report,
        card=CardInForce(*card) if is_final else None,
        seal=SealedReport(signature, head) if is_final else NOT_SEALED,
        late_periods=late,
        has_disputed_drafts=has_disputed_drafts,
        dispute_until=dispute_until(report.finalized_at, window_days) if is_final else None,
        leads_in_doubt=leads_in_doubt,
        is_first_open=closed_through is not None
        and first_open_month(closed_through) == period.start,
    )
