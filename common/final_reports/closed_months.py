"""How far each customer's months are closed.

Invariant: a month is closed if the customer has a final report of it or of a later month.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from common.billing_period import Period
from common.final_reports.models import BillingReport


@dataclass(frozen=True, slots=True)
class ClosedMonths:
    """The last closed month of each customer that has one."""

    last: dict[UUID, date]

    def is_open(self, customer_id: UUID, month: date) -> bool:
        last = self.last.get(customer_id)
        return last is None or month > last

    def open_among(self, months: Iterable[tuple[UUID, date]]) -> list[tuple[UUID, date]]:
        """Those of some customers' months that are open."""
        return [(customer, month) for customer, month in months if self.is_open(customer, month)]

    def first_open(self, customer_id: UUID) -> date:
        """The month that late actions and credits of closed months stand on."""
        return Period(self.last[customer_id]).end


def closed_months(session: Session) -> ClosedMonths:
    last = func.max(BillingReport.period).label("closed_through")
    query = select(BillingReport.customer_id, last).group_by(BillingReport.customer_id)
    return ClosedMonths({row.customer_id: row.closed_through for row in session.execute(query)})
