"""Opening and resolving disputes of billed lines.

Invariant: whatever changes a dispute holds the lock that closing the customer's period takes.
"""

from datetime import date, datetime, timedelta
from typing import Any, Literal, NamedTuple
from uuid import UUID

from sqlalchemy import and_, exists, func, insert, select, update
from sqlalchemy.orm import Session

from common.audit_log import record_change
from common.billing_period import Period
from common.database.locks import lock_customer
from common.disputes.models import Dispute, DisputeLine
from common.disputes.schemas import NewDispute, Resolution
from common.disputes.search import FoundDispute, get_dispute, owner_of
from common.enums import DisputeReason, DisputeStatus
from common.final_reports.models import BillingReport, BillingReportLine
from common.leads.models import Action, Lead
from common.leads.search import find_lead
from common.problems import Conflict, FieldError, Invalid
from common.rating.active_periods import lead_periods
from common.rating.models import RateCard

_MAX_ERRORS = 100


def open_dispute(session: Session, asked: NewDispute, now: datetime) -> FoundDispute:
    """Stores a dispute of a line, or of each line of a lead that can be disputed.

    A line can be disputed if it is final, billed something, has no open or accepted dispute, and
    if the dispute window of its report's rate card has not ended. Raises Invalid for a lead or
    action that is not stored, and Conflict if no line can be disputed or several customers have
    such a lead.
    """
    lead = find_lead(session, asked.lead_id, asked.customer_id, "/customer_id")
    if lead is None:
        raise Invalid(
            "the dispute was refused",
            [FieldError("/lead_id", "unknown_lead", "no such lead is stored")],
        )
    # In a statement of its own: the next one's snapshot must come after the wait.
    lock_customer(session, lead.customer_id)
    lines = _final_lines(session, lead, asked.action_id)
    if asked.action_id is not None and not lines:
        raise _not_on_a_final_report(session, lead, asked.action_id)
    refusals = {line.action_id: line.refusal(now, asked.action_id) for line in lines}
    wanted = [line for line in lines if refusals[line.action_id] is None]
    if not wanted:
        errors = [each for each in refusals.values() if each is not None] or [_DRAFT_LEAD]
        raise Conflict(
            f"nothing of lead {asked.lead_id!r} can be disputed: {errors[0].detail}"
            if asked.action_id is None
            else f"the line cannot be disputed: it {errors[0].detail}",
            errors[:_MAX_ERRORS],
        )
    dispute_id = session.execute(
        insert(Dispute)
        .values(
            customer_id=lead.customer_id,
            lead_id=lead.lead_id,
            reason=DisputeReason(asked.reason),
            note=asked.note,
            opened_by=asked.actor,
            opened_at=now,
        )
        .returning(Dispute.dispute_id)
    ).scalar_one()
    session.execute(
        insert(DisputeLine),
        [
            {
                "customer_id": lead.customer_id,
                "dispute_id": dispute_id,
                "report_id": line.report_id,
                "line_number": line.line_number,
                "action_id": line.action_id,
                "amount_cents": line.billed_cents,
            }
            for line in wanted
        ],
    )
    found = get_dispute(session, dispute_id)
    record_change(session, "created", "dispute", dispute_id, after=_audited(found))
    return found


def _audited(found: FoundDispute) -> dict[str, Any]:
    columns = ("lead_id", "reason", "status", "opened_by", "decided_by")
    return {column: getattr(found.dispute, column) for column in columns} | {
        "customer_id": found.customer_id
    }


def resolve_dispute(
    session: Session,
    dispute_id: UUID,
    status: Literal[DisputeStatus.ACCEPTED, DisputeStatus.REJECTED],
    decision: Resolution,
    now: datetime,
) -> FoundDispute:
    """Accepts or rejects a dispute. Doing the same again changes nothing.

    The lines of an accepted dispute are credited on the customer's next report to be closed. Raises
    NotFound, and Conflict if the dispute was resolved the other way.
    """
    owner = owner_of(session, dispute_id)
    # In a statement of its own: the next one's snapshot must come after the wait.
    lock_customer(session, owner)
    of_owner = (Dispute.customer_id == owner, Dispute.dispute_id == dispute_id)
    stands = session.execute(select(Dispute.status).where(*of_owner)).scalar_one()
    if stands is DisputeStatus.OPEN:
        session.execute(
            update(Dispute)
            .where(*of_owner)
            .values(
                status=status,
                decided_by=decision.actor,
                decision_note=decision.note,
                decided_at=now,
            )
        )
        after = _audited(get_dispute(session, dispute_id))
        before = after | {"status": DisputeStatus.OPEN, "decided_by": None}
        record_change(session, "decided", "dispute", dispute_id, before=before, after=after)
    elif stands is not status:
        raise Conflict(
            f"the dispute was {stands} before",
            [FieldError("/status", "already_decided", f"is {stands}, and decisions are final")],
        )
    return get_dispute(session, dispute_id)


_DRAFT_LEAD = FieldError(
    "/lead_id", "line_not_final", "it has no final line yet: wait until its month is closed"
)


class _Line(NamedTuple):
    """A final line, with everything that says whether it can be disputed."""

    action_id: UUID
    report_id: UUID
    line_number: int
    period: date
    billed_cents: int
    finalized_at: datetime
    window_days: int
    standing: DisputeStatus | None

    def refusal(self, now: datetime, named: UUID | None) -> FieldError | None:
        """Why the line cannot be disputed, or None. `named` is the action of the request."""
        window_ends = self.finalized_at + timedelta(days=self.window_days)
        if self.billed_cents == 0:
            code, detail = "nothing_billed", "billed nothing"
        elif self.standing is DisputeStatus.ACCEPTED:
            code, detail = "already_credited", "has an accepted dispute"
        elif self.standing is DisputeStatus.OPEN:
            code, detail = "already_disputed", "is disputed already"
        elif now >= window_ends:
            code, detail = (
                "dispute_window_over",
                f"could be disputed for {self.window_days} days after its report of "
                f"{Period(self.period)} was closed, until {window_ends:%Y-%m-%d %H:%M} UTC",
            )
        else:
            return None
        if named is not None:
            return FieldError("/action_id", code, detail)
        return FieldError("/lead_id", code, f"its action {self.action_id} {detail}")


def _final_lines(session: Session, lead: Lead, action_id: UUID | None) -> list[_Line]:
    periods = lead_periods(session, lead.customer_id, lead.lead_id)
    first, last = (
        select(of_all(Action.timestamp))
        .where(Action.customer_id == lead.customer_id, Action.lead_id == lead.lead_id)
        .scalar_subquery()
        for of_all in (func.min, func.max)
    )
    query = (
        select(
            BillingReportLine.action_id,
            BillingReportLine.report_id,
            BillingReportLine.line_number,
            BillingReport.period,
            BillingReportLine.billed_cents,
            BillingReport.finalized_at,
            RateCard.dispute_window_days,
            DisputeLine.status,
        )
        .join(
            BillingReport,
            and_(
                BillingReport.customer_id == BillingReportLine.customer_id,
                BillingReport.report_id == BillingReportLine.report_id,
            ),
        )
        .join(RateCard, RateCard.rate_card_id == BillingReport.rate_card_id)
        .outerjoin(
            DisputeLine,
            and_(
                DisputeLine.customer_id == BillingReportLine.customer_id,
                DisputeLine.report_id == BillingReportLine.report_id,
                DisputeLine.line_number == BillingReportLine.line_number,
                DisputeLine.status != DisputeStatus.REJECTED,
            ),
        )
        .where(
            BillingReportLine.customer_id == lead.customer_id,
            BillingReportLine.period.in_(periods),
            BillingReportLine.lead_id == lead.lead_id,
            BillingReportLine.block_last_timestamp >= first,
            BillingReportLine.block_first_timestamp <= last,
        )
        .order_by(BillingReport.period, BillingReportLine.line_number)
    )
    if action_id is not None:
        query = query.where(BillingReportLine.action_id == action_id)
    return [_Line(*row) for row in session.execute(query)]


def _not_on_a_final_report(session: Session, lead: Lead, action_id: UUID) -> Invalid | Conflict:
    of_lead = exists().where(
        Action.customer_id == lead.customer_id,
        Action.lead_id == lead.lead_id,
        Action.action_id == action_id,
    )
    if not session.scalar(select(of_lead)):
        error = FieldError("/action_id", "unknown_action", "the lead has no such action")
        return Invalid("the dispute was refused", [error])
    error = FieldError("/action_id", "line_not_final", "stands on a draft")
    return Conflict(
        "the line stands on a draft and can be disputed when its month is closed", [error]
    )
