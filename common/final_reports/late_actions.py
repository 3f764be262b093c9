"""Late actions: actions of a closed period that are on no final report yet."""

from datetime import date
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from common.final_reports.models import LateAction


def late_periods(session: Session, customer_id: UUID) -> list[date]:
    """The closed months that have an action without a final line, oldest first."""
    return [period for _, period in all_late_periods(session, customer_id)]


def all_late_periods(session: Session, customer_id: UUID | None = None) -> list[tuple[UUID, date]]:
    """The same of every customer, or of one, each with its owner."""
    late = select(LateAction.customer_id, LateAction.period).distinct()
    if customer_id is not None:
        late = late.where(LateAction.customer_id == customer_id)
    rows = session.execute(late.order_by(LateAction.customer_id, LateAction.period))
    return [(row.customer_id, row.period) for row in rows]
