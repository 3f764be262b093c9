"""How far each customer's periods are closed.

Invariant: a period is closed if the customer has a final report of it or of a later one.
"""

from datetime import date
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from common.final_reports.models import BillingReport


def closed_through(session: Session, customer_id: UUID) -> date | None:
    """The month of the customer's last final report: it and all before it are closed."""
    last = select(func.max(BillingReport.period)).where(BillingReport.customer_id == customer_id)
    return session.scalar(last)


def all_closed_through(session: Session) -> dict[UUID, date]:
    """The same for every customer that has a final report."""
    through = func.max(BillingReport.period).label("through")
    last = select(BillingReport.customer_id, through).group_by(BillingReport.customer_id)
    return {row.customer_id: row.through for row in session.execute(last)}
