"""Which months of each customer are closed, and which are open.

Invariant: a month is closed if the customer has a final report of it or of a later month.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from common.billing_period import first_open_month
from common.catalog.models import Customer
from common.final_reports.models import LateAction

__all__ = ["ClosedMonths", "closed_months", "first_open_month", "late_periods"]


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
        return first_open_month(self.last[customer_id])


def closed_months(session: Session, customer_id: UUID | None = None) -> ClosedMonths:
    """Of all customers, or of one."""
    query = select(Customer.customer_id, Customer.closed_through).where(
        Customer.closed_through.is_not(None)
    )
    if customer_id is not None:
        query = query.where(Customer.customer_id == customer_id)
    return ClosedMonths({row.customer_id: row.closed_through for row in session.execute(query)})


def late_periods(session: Session, customer_id: UUID | None) -> list[tuple[UUID, date]]:
    """The closed months with late actions, of one customer or all, each with its customer."""
    late = select(LateAction.customer_id, LateAction.period).distinct()
    if customer_id is not None:
        late = late.where(LateAction.customer_id == customer_id)
    rows = session.execute(late.order_by(LateAction.customer_id, LateAction.period))
    return [(row.customer_id, row.period) for row in rows]
