"""A customer's month as a report finds it: open, final, or closed along with a later one."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from common import identifiers
from common.billing_period import Period
from common.catalog.models import Customer
from common.enums import CapScope
from common.final_reports.models import BillingReport, LateAction
from common.problems import NotFound, Unpriced
from common.rating.card_in_force import rate_cards_in_force
from common.rating.models import RateCard
from common.reports.model import CardName


@dataclass(frozen=True, slots=True)
class Month:
    """A customer's month, and its final report or the one that closed it along.

    A month without actions has no report of its own: the next final report closes it along.
    `card` is the final report's. `late_periods` are the closed periods with actions that are on no
    final report yet, oldest first.
    """

    customer: Customer
    period: Period
    final: BillingReport | None
    closed_along_by: BillingReport | None
    card: CardName | None
    late_periods: list[date]

    @property
    def is_first_open(self) -> bool:
        """Whether prior-period lines and credits stand on its draft.

        docs/billing-rules.md, Closing a period.
        """
        closed_through = self.customer.closed_through
        return closed_through is not None and Period(closed_through).end == self.period.start


def find_month(session: Session, customer_id: str, period: Period) -> Month:
    """The month of a customer, by the customer's id. Raises NotFound for an unknown customer."""
    late_periods = (
        select(LateAction.period)
        .where(LateAction.customer_id == Customer.customer_id)
        .distinct()
        .order_by(LateAction.period)
    )
    # The month's own report, else the next one.
    row = session.execute(
        select(
            Customer,
            BillingReport,
            RateCard.name,
            RateCard.version,
            RateCard.cap_scope,
            func.array(late_periods.scalar_subquery()).label("late_periods"),
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
    customer, report, name, version, cap_scope, late = row
    is_final = report is not None and report.period == period.start
    is_later = report is not None and not is_final
    return Month(
        customer,
        period,
        final=report if is_final else None,
        closed_along_by=report if is_later else None,
        card=CardName(name, version, cap_scope is CapScope.USER_AND_PRODUCT) if is_final else None,
        late_periods=late,
    )


def cards_of(session: Session, customer_id: UUID, periods: Iterable[date]) -> dict[date, CardName]:
    """The card that prices each period. Raises Unpriced for a period without one."""
    pairs = {(customer_id, period) for period in periods}
    cards = rate_cards_in_force(session, pairs)
    if missing := pairs - cards.keys():
        raise Unpriced(f"no rate card is in force in {Period(min(missing)[1])}")
    return {
        period: CardName(card.name, card.version, card.caps_product)
        for (_, period), card in cards.items()
    }
