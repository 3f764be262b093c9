"""Opening and resolving disputes of billed lines.

Invariant: whatever changes a dispute holds the lock that closing the customer's period takes.
"""

from datetime import date, datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from sqlalchemy import and_, func, insert, select, update
from sqlalchemy.orm import Session

from common.audit_log import record_change
from common.billing_period import Period
from common.database.locks import lock_customer
from common.disputes.models import Dispute, DisputeLine
from common.disputes.schemas import NewDispute, Resolution, dispute_until
from common.disputes.search import FoundDispute, get_dispute, owner_of
from common.enums import DisputeReason, DisputeStatus
from common.events.announce import announce
from common.events.event_types import EventType
from common.final_reports.models import BillingReport, BillingReportLine
from common.leads.models import Action, Lead
from common.leads.search import find_lead
from common.problems import Conflict, FieldError, Invalid
from common.rating.models import RateCard
from common.rating.periods import RatingScope, lead_periods
from common.rating.rated_lines import rated_lines

_MAX_ERRORS = 100


def open_dispute(session: Session, dispute: NewDispute, now: datetime) -> FoundDispute:
    """Stores a dispute of a line, or of each line of a lead that can be disputed.

    A line can be disputed, on a draft or a final report, if it is billed something, has no open or
    accepted dispute, and if the dispute window of its report has not ended: it starts when the
    report is closed, and the report's rate card sets its length. Raises Invalid for a lead or
    action that is not stored, and Conflict if no line can be disputed or several customers have
    such a lead.
    """
    lead = find_lead(session, dispute.lead_id, dispute.customer_id, "/customer_id")
    if lead is None:
        raise Invalid(
            "the dispute was refused",
            [FieldError("/lead_id", "unknown_lead", "no such lead is stored")],
        )
    # In a statement of its own: the next one's snapshot must come after the wait.
    lock_customer(session, lead.customer_id)
    lines = _lines(session, lead)
    if dispute.action_id is not None:
        lines = [line for line in lines if line.action_id == dispute.action_id]
        if not lines:
            error = FieldError("/action_id", "unknown_action", "the lead has no such action")
            raise Invalid("the dispute was refused", [error])
    refusals = {line.action_id: line.refusal(now, dispute.action_id) for line in lines}
    disputed = [line for line in lines if refusals[line.action_id] is None]
    if not disputed:
        errors = [refusal for refusal in refusals.values() if refusal is not None] or [_NO_LINE]
        raise Conflict(
            f"nothing of lead {dispute.lead_id!r} can be disputed: {errors[0].detail}"
            if dispute.action_id is None
            else f"the line cannot be disputed: it {errors[0].detail}",
            errors[:_MAX_ERRORS],
        )
    dispute_id = session.execute(
        insert(Dispute)
        .values(
            customer_id=lead.customer_id,
            lead_id=lead.lead_id,
            reason=DisputeReason(dispute.reason),
            note=dispute.note,
            opened_by=dispute.actor,
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
                "amount_cents": None if line.report_id is None else line.billed_cents,
            }
            for line in disputed
        ],
    )
    found = get_dispute(session, dispute_id, lead.customer_id)
    record_change(session, "created", "dispute", dispute_id, after=_audited(session, found))
    announce(session, lead.customer_id, EventType.DISPUTE_OPENED, _announced(found))
    return found


def _audited(session: Session, found: FoundDispute) -> dict[str, Any]:
    """`row_hash` holds the stored row to this entry (common/proof/sql/differing_rows.sql)."""
    dispute = found.dispute
    columns = ("lead_id", "reason", "status", "opened_by", "decided_by")
    return {column: getattr(dispute, column) for column in columns} | {
        "customer_id": found.customer_id,
        "row_hash": session.scalar(
            select(func.dispute_hash(dispute.customer_id, dispute.dispute_id))
        ),
    }


def _announced(found: FoundDispute) -> dict[str, Any]:
    return {
        "dispute_id": found.dispute.dispute_id,
        "customer_id": found.customer_id,
        "lead_id": found.lead_id,
        "status": found.dispute.status,
        "reason": found.dispute.reason,
        "lines": len(found.lines),
    }


def resolve_dispute(
    session: Session,
    dispute_id: UUID,
    status: Literal[DisputeStatus.ACCEPTED, DisputeStatus.REJECTED],
    decision: Resolution,
    now: datetime,
) -> FoundDispute:
    """Accepts or rejects a dispute. Doing the same again changes nothing.

    The lines of an accepted dispute are credited on the report of the customer's first open period;
    those of a draft on the same report. Raises NotFound, and Conflict if the dispute was resolved
    the other way.
    """
    owner = owner_of(session, dispute_id)
    # In a statement of its own: the next one's snapshot must come after the wait.
    lock_customer(session, owner)
    of_owner = (Dispute.customer_id == owner, Dispute.dispute_id == dispute_id)
    current = session.execute(select(Dispute.status).where(*of_owner)).scalar_one()
    if current is DisputeStatus.OPEN:
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
        found = get_dispute(session, dispute_id, owner)
        after = _audited(session, found)
        before = after | {"status": DisputeStatus.OPEN, "decided_by": None}
        del before["row_hash"]
        record_change(session, "decided", "dispute", dispute_id, before=before, after=after)
        announce(session, owner, EventType.DISPUTE_RESOLVED, _announced(found))
    elif current is not status:
        raise Conflict(
            f"the dispute was {current} before",
            [FieldError("/status", "already_decided", f"is {current}, and decisions are final")],
        )
    return get_dispute(session, dispute_id, owner)


_NO_LINE = FieldError("/lead_id", "nothing_billed", "it has no billed action")


class _Line(NamedTuple):
    """A line, with everything that says whether it can be disputed.

    A line of a draft has no report, number and window yet.
    """

    action_id: UUID
    billed_cents: int
    dispute_status: DisputeStatus | None
    report_id: UUID | None = None
    line_number: int | None = None
    period: date | None = None
    window_days: int = 0
    window_ends: datetime | None = None

    def refusal(self, now: datetime, named: UUID | None) -> FieldError | None:
        """Why the line cannot be disputed, or None. `named` is the action of the request."""
        if self.billed_cents == 0:
            code, detail = "nothing_billed", "billed nothing"
        elif self.dispute_status is DisputeStatus.ACCEPTED:
            code, detail = "already_credited", "has an accepted dispute"
        elif self.dispute_status is DisputeStatus.OPEN:
            code, detail = "already_disputed", "is disputed already"
        elif self.period and self.window_ends and now >= self.window_ends:
            code, detail = (
                "dispute_window_over",
                f"could be disputed for {self.window_days} days after its report of "
                f"{Period(self.period)} was closed, until {self.window_ends:%Y-%m-%d %H:%M} UTC",
            )
        else:
            return None
        if named is not None:
            return FieldError("/action_id", code, detail)
        return FieldError("/lead_id", code, f"its action {self.action_id} {detail}")


def _lines(session: Session, lead: Lead) -> list[_Line]:
    """The lines of a lead, the final ones first."""
    periods = lead_periods(session, lead.customer_id, [lead.lead_id])
    final = _final_lines(session, lead, periods)
    disputed = select(DisputeLine.action_id, DisputeLine.status).where(
        DisputeLine.customer_id == lead.customer_id,
        DisputeLine.report_id.is_(None),
        DisputeLine.status != DisputeStatus.REJECTED,
    )
    statuses = {row.action_id: row.status for row in session.execute(disputed)}
    # In a closed period, only late actions are rated.
    pairs = [(lead.customer_id, period) for period in periods]
    scope = RatingScope(pairs, user_keys=[lead.user_key] * len(pairs))
    for line, _ in rated_lines(session, scope, lead_ids=[lead.lead_id]):
        action_id = UUID(line.action_id)
        final.append(_Line(action_id, line.billed_cents or 0, statuses.get(action_id)))
    return final


def _final_lines(session: Session, lead: Lead, periods: list[date]) -> list[_Line]:
    first, last = (
        select(of_all(Action.timestamp))
        .where(Action.customer_id == lead.customer_id, Action.lead_id == lead.lead_id)
        .scalar_subquery()
        for of_all in (func.min, func.max)
    )
    query = (
        select(
            BillingReportLine.action_id,
            BillingReportLine.billed_cents,
            DisputeLine.status,
            BillingReportLine.report_id,
            BillingReportLine.line_number,
            BillingReport.period,
            RateCard.dispute_window_days,
            BillingReport.finalized_at,
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
    return [
        _Line(
            row.action_id,
            row.billed_cents,
            row.status,
            row.report_id,
            row.line_number,
            row.period,
            row.dispute_window_days,
            dispute_until(row.finalized_at, row.dispute_window_days),
        )
        for row in session.execute(query)
    ]
