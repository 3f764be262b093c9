"""Closing one period of one customer: its draft becomes a final report.

Invariant: a period is closed in one transaction, under a lock of its customer, after every earlier
period with actions (docs/billing-rules.md, Closing a period).
"""

from typing import NamedTuple
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common import identifiers
from common.billing_period import Period
from common.database.locks import lock_customer
from common.database.prepared import PreparedStatement
from common.database.sql_loader import load_statement
from common.invoicing.details import document_type, number_parts
from common.problems import Conflict, FieldError, Unpriced
from common.rating.periods import RatingScope
from common.rating.rate_cards import no_rate_card
from common.settings import MailTransport, settings

# The planner expects only a few lines in a month and would join them in loops.
PLANNED_WITHOUT = ("nestloop", "mergejoin")
_CONDITIONS = PreparedStatement(
    "closing_conditions", load_statement("closing", "closing_conditions")
)
_CLOSE_MONTH = PreparedStatement(
    "close_month", load_statement("closing", "close_month"), PLANNED_WITHOUT
)


class ClosedMonth(NamedTuple):
    """The amounts of a final report. Prior-period lines count as billed, not as saved."""

    due_cents: int = 0
    billed_cents: int = 0
    duplicate_cents: int = 0
    cap_cents: int = 0
    late_actions: int = 0
    duplicates: int = 0  # with those among the prior-period lines


NOTHING_CLOSED = ClosedMonth()


def close_period(
    session: Session, customer_id: UUID, period: Period, run_id: UUID
) -> ClosedMonth | None:
    """Makes a customer's month final. Returns its amounts, or None if it was final before.

    Raises Conflict if the month has not ended in the customer's time zone or an earlier month still
    has open actions, and Unpriced if an action has no price.
    """
    # In a statement of its own: the next one's snapshot must come after the wait.
    lock_customer(session, customer_id)
    parameters = {"customer_id": str(customer_id), "period": period.start}
    conditions = _CONDITIONS.execute(session, parameters).one()
    if conditions.closed_through is not None and period.start <= conditions.closed_through:
        return None
    if not conditions.is_over:
        raise still_open(period, conditions.timezone)
    if conditions.earlier_open_period is not None:
        raise closed_too_early(period, Period(conditions.earlier_open_period))
    if conditions.rate_card_id is None:
        raise no_rate_card(period)
    late_periods = conditions.late_periods
    current, number = settings(), number_parts(period.start, conditions.customer)
    scope = RatingScope([(customer_id, month) for month in (period.start, *late_periods)])
    try:
        closed = _CLOSE_MONTH.execute(
            session,
            parameters
            | scope.parameters()
            | {
                "is_flat_card": conditions.is_flat_card and not late_periods,
                "report_id": str(identifiers.report_id(customer_id, str(period))),
                "run_id": str(run_id),
                "rate_card_id": str(conditions.rate_card_id),
                "issuer": current.report_issuer,
                "issuer_address": current.report_issuer_address or None,
                "issuer_tax_id": current.report_issuer_tax_id or None,
                "document_type": document_type().value,
                "sends_statement": current.mail_transport is not MailTransport.OFF,
                "number_before": number.before,
                "number_after": number.after,
                "number_width": number.width,
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


def closed_too_early(period: Period, first: Period) -> Conflict:
    return Conflict(
        f"{first} still has open actions and must be closed before {period}",
        [FieldError("/period", "earlier_period_open", f"close {first} first")],
    )
