"""Late actions: actions of a closed month that no final report has a line of yet."""

from datetime import date
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from common.final_reports.models import LateAction


def late_periods(session: Session, customer_id: UUID | None) -> list[tuple[UUID, date]]:
    """The closed months with late actions, of one customer or all, each with its customer."""
    late = select(LateAction.customer_id, LateAction.period).distinct()
    if customer_id is not None:
        late = late.where(LateAction.customer_id == customer_id)
    rows = session.execute(late.order_by(LateAction.customer_id, LateAction.period))
    return [(row.customer_id, row.period) for row in rows]
