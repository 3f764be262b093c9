"""Which billing periods have actions."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from common.database.sql_loader import load_statement
from common.rating.scope import range_parameters

_ACTIVE_PERIODS = text(load_statement("rating", "active_periods"))
_ACTIVE_PERIODS_OF_ALL = text(load_statement("rating", "active_periods_of_all"))
_LEAD_PERIODS = text(load_statement("rating", "lead_periods"))


def active_periods(
    session: Session,
    customer_id: UUID | None,
    start: date | datetime | None,
    end: date | datetime | None,
) -> list[tuple[UUID, date]]:
    """The customers and periods that have an action from `start` on and before `end`."""
    parameters = range_parameters(start, end)
    if customer_id is None:
        rows = session.execute(_ACTIVE_PERIODS_OF_ALL, parameters)
    else:
        parameters["customer_id"] = str(customer_id)
        rows = session.execute(_ACTIVE_PERIODS, parameters)
    return [(row.customer_id, row.period) for row in rows]


def lead_periods(session: Session, customer_id: UUID, lead_id: UUID) -> list[date]:
    """The billing periods that a lead's actions belong to."""
    parameters = {"customer_id": str(customer_id), "lead_id": str(lead_id)}
    return list(session.scalars(_LEAD_PERIODS, parameters))
