"""Closing one period of one customer: its draft becomes a final report.

Invariant: a period is closed in one transaction, under a lock of its customer, after every earlier
period with actions (docs/billing-rules.md, Closing a period).
"""

from typing import NamedTuple
from uuid import UUID

from sqlalchemy import (
    Connection,
)
from sqlalchemy.exc import IntegrityError

from common import identifiers
from common.billing_period import Period
from common.closing.queries import BEFORE_CLOSING, CLOSE, CLOSE_PLAINLY
from common.database.locks import lock_customer
from common.problems import Conflict, FieldError, Unpriced
from common.rating.scope import Scope
from common.settings import settings


class ClosedMonth(NamedTuple):
    """What a final report comes to. Its lines of prior periods count as billed, not as saved."""

    due_cents: int = 0
    billed_cents: int = 0
    duplicate_cents: int = 0
    cap_cents: int = 0
    late_actions: int = 0
    duplicates: int = 0  # lines that repeat another, those of prior periods among them


NOTHING_CLOSED = ClosedMonth()


def close_period(
    connection: Connection, customer_id: UUID, period: Period, run_id: UUID
) -> ClosedMonth | None:
    """Makes a customer's month final: what it comes to, or None if it was final before.

    Raises Conflict when the month is not over in the customer's zone, or when an earlier one still
    has open actions, and Unpriced when an action has no price.
    """
    # In a statement of its own: the next one's snapshot must come after the wait.
    lock_customer(connection, customer_id)
    found = BEFORE_CLOSING.execute(
        connection, {"customer_id": str(customer_id), "period": period.start}
    ).one()
    if found.closed_through is not None and period.start <= found.closed_through:
        return None
    if not found.is_over:
        raise still_open(period, found.timezone)
    if found.earlier_open_period is not None:
        raise _closed_too_early(period, Period(found.earlier_open_period))
    if found.rate_card_id is None:
        raise Unpriced(f"no rate card is in force in {period}")
    late = found.late_periods
    scope = Scope([(customer_id, each) for each in (period.start, *late)])
    close = CLOSE_PLAINLY if found.is_flat and not late else CLOSE
    try:
        closed = close.execute(
            connection,
            scope.parameters()
            | {
                "report_id": str(identifiers.report_id(customer_id, str(period))),
                "run_id": str(run_id),
                "customer_id": str(customer_id),
                "period": period.start,
                "rate_card_id": str(found.rate_card_id),
                "issuer": settings().report_issuer,
            },
        ).one()
    except IntegrityError as error:
        if "every_line_has_a_price" not in str(error.orig):
            raise
        raise Unpriced("an action has no price on the rate card in force") from error
    return ClosedMonth(*closed)


def still_open(period: Period, zone: str) -> Conflict:
    return Conflict(
        f"{period} is not over yet in {zone}",
        [FieldError("/period", "period_open", "can be closed when it is over")],
    )


def _closed_too_early(period: Period, first: Period) -> Conflict:
    return Conflict(
        f"{first} still has open actions and must be closed before {period}",
        [FieldError("/period", "earlier_period_open", f"close {first} first")],
    )
