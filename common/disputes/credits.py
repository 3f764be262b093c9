"""Credits: what disputed lines are billed, given back on the report of the first open period.

Invariant: a line is credited at most once, with the amount it is billed when its report closes.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Result, and_, func, select, text
from sqlalchemy.orm import Session

from common import identifiers
from common.billing_period import Period
from common.catalog.models import Customer
from common.database.sql_loader import load_statement
from common.disputes.draft_lines import disputed_draft_lines
from common.disputes.models import Dispute, DisputeLine
from common.disputes.schemas import REASONS
from common.disputes.search import is_credit_of_line
from common.enums import DisputeReason, DisputeStatus
from common.final_reports.closed_months import first_open_month
from common.final_reports.models import BillingReportCredit
from common.money import money

_DRAFT_CREDITS = text(load_statement("disputes", "draft_credits"))
_FINAL_CREDITS = text(load_statement("disputes", "final_credits"))
_COUNT_CREDITS = text(load_statement("disputes", "count_credits"))


class Credit(NamedTuple):
    """What a line is billed, given back: an amount below zero.

    A line of the draft that the credit stands on has no number yet, and its amount may change.
    """

    dispute_id: str
    reason: DisputeReason
    accepted_at: datetime
    report_id: str
    report_period: date
    line_number: int | None
    lead_id: str
    action_id: str
    action_type: str
    engagement_level: str
    amount_cents: int

    def explanation(self, timezone: str) -> str:
        """One sentence: what is credited, from which report and line, and why.

        The day of the decision is the one in the customer's time zone.
        """
        line = f"the draft of {Period(self.report_period).name}"
        if self.line_number is not None:
            line = f"line {self.line_number} of the report of {Period(self.report_period).name}"
        return (
            f"{money(-self.amount_cents)} billed for {self.action_type} ({self.engagement_level}) "
            f"of lead {self.lead_id}, {line}, is credited: it was disputed as "
            f"{REASONS[self.reason].in_sentence}, and the dispute was accepted on "
            f"{self.accepted_at.astimezone(ZoneInfo(timezone)):%Y-%m-%d}."
        )


def credits_of_final_lines(session: Session, customer_id: UUID) -> list[Credit]:
    """The credits of final lines, which stand on the draft of a customer's first open month."""
    return _credits(session.execute(_DRAFT_CREDITS, {"customer_id": str(customer_id)}))


def credits_of_draft_lines(session: Session, customer_id: UUID, month: date) -> list[Credit]:
    """The credits of lines of a customer's draft, which stand on the same draft."""
    report_id = str(identifiers.report_id(customer_id, str(Period(month))))
    accepted = (
        (line, line.decided_at)
        for line in disputed_draft_lines(session, customer_id)
        if line.report_period == month and line.billed_cents
    )
    return [
        Credit(
            str(line.dispute_id),
            line.reason,
            decided_at,
            report_id,
            month,
            None,
            line.lead,
            str(line.action_id),
            line.action_type,
            line.engagement_level.value,
            -line.billed_cents,
        )
        for line, decided_at in sorted(accepted, key=lambda each: each[0].period < month)
        if decided_at is not None and line.status is DisputeStatus.ACCEPTED
    ]


def in_order(credits: Iterable[Credit]) -> list[Credit]:
    """As they are numbered: as their disputes were accepted, then as the lines stand."""
    return sorted(credits, key=attrgetter("accepted_at", "dispute_id", "report_period"))


def final_credits(session: Session, customer_id: UUID, report_id: UUID) -> list[Credit]:
    """The credits on a customer's final report."""
    parameters = {"customer_id": str(customer_id), "report_id": str(report_id)}
    return _credits(session.execute(_FINAL_CREDITS, parameters))


def pending_cents(session: Session, customer_id: UUID | None) -> Counter[tuple[UUID, date]]:
    """What the credits on drafts give back by customer and month, of one customer or all."""
    query = (
        select(
            Dispute.customer_id,
            Customer.closed_through,
            func.sum(DisputeLine.amount_cents).label("cents"),
        )
        .join(Customer, Customer.customer_id == Dispute.customer_id)
        .join(
            DisputeLine,
            and_(
                DisputeLine.customer_id == Dispute.customer_id,
                DisputeLine.dispute_id == Dispute.dispute_id,
            ),
        )
        .outerjoin(BillingReportCredit, is_credit_of_line())
        .where(
            Dispute.status == DisputeStatus.ACCEPTED,
            DisputeLine.amount_cents > 0,
            BillingReportCredit.report_id.is_(None),
        )
        .group_by(Dispute.customer_id, Customer.closed_through)
    )
    if customer_id is not None:
        query = query.where(Dispute.customer_id == customer_id)
    cents: Counter[tuple[UUID, date]] = Counter()
    for row in session.execute(query):
        cents[row.customer_id, first_open_month(row.closed_through)] += int(row.cents)
    for line in disputed_draft_lines(session, customer_id):
        if line.status is DisputeStatus.ACCEPTED:
            cents[line.customer_id, line.report_period] += line.billed_cents
    return +cents


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
    return [
        Credit._make(row)._replace(reason=DisputeReason(row.reason), amount_cents=-row.amount_cents)
        for row in rows
    ]
