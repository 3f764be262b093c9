"""Credits: which ones are due on the next report, and which stand on a final one.

Invariant: a line is credited at most once, with the amount it billed.
"""

from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Result, and_, func, select, text
from sqlalchemy.orm import Session

from common.database.sql_loader import load_statement
from common.disputes.credit import Credit
from common.disputes.models import Dispute, DisputeLine
from common.disputes.search import is_credit_of_line
from common.enums import DisputeReason, DisputeStatus
from common.final_reports.models import BillingReportCredit

_DRAFT_CREDITS = text(load_statement("disputes", "draft_credits"))
_FINAL_CREDITS = text(load_statement("disputes", "final_credits"))
_COUNT_CREDITS = text(load_statement("disputes", "count_credits"))


def pending_credits(session: Session, customer_id: UUID) -> list[Credit]:
    """The credits on the draft of a customer's first open month."""
    return _credits(session.execute(_DRAFT_CREDITS, {"customer_id": str(customer_id)}))


def final_credits(session: Session, customer_id: UUID, report_id: UUID) -> list[Credit]:
    """The credits on a customer's final report."""
    parameters = {"customer_id": str(customer_id), "report_id": str(report_id)}
    return _credits(session.execute(_FINAL_CREDITS, parameters))


def pending_cents(session: Session, customer_id: UUID | None) -> dict[UUID, int]:
    """What the credits on the draft of the first open month come to, of one customer or all."""
    query = (
        select(Dispute.customer_id, func.sum(DisputeLine.amount_cents).label("cents"))
        .join(
            DisputeLine,
            and_(
                DisputeLine.customer_id == Dispute.customer_id,
                DisputeLine.dispute_id == Dispute.dispute_id,
            ),
        )
        .outerjoin(BillingReportCredit, is_credit_of_line())
        .where(Dispute.status == DisputeStatus.ACCEPTED, BillingReportCredit.report_id.is_(None))
        .group_by(Dispute.customer_id)
    )
    if customer_id is not None:
        query = query.where(Dispute.customer_id == customer_id)
    return {row.customer_id: int(row.cents) for row in session.execute(query)}


class CreditCount(NamedTuple):
    """How many lines final reports and drafts credit, and how many credits are wrong."""

    final: int
    draft: int
    misplaced: int


def count_credits(session: Session, customer_id: UUID | None) -> CreditCount:
    """Counts the credits of one customer or all, and compares each with its dispute and line."""
    parameters = {"customer_id": customer_id and str(customer_id)}
    return CreditCount(*session.execute(_COUNT_CREDITS, parameters).one())


def _credits(rows: Result[Any]) -> list[Credit]:
    return [Credit._make(row)._replace(reason=DisputeReason(row.reason)) for row in rows]
