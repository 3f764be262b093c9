"""Disputes: what a customer does not want to pay, and its result."""

from datetime import datetime

from pydantic import Field

from common.disputes import search
from common.enums import DisputeReason, DisputeStatus, EngagementLevel, ReportStatus
from services.reports.api.schemas.answer import Amount, Answer, Month, Page, Uuid, of


class CreditPlace(Answer):
    """The report that a credit is on."""

    report_period: Month = of("period")
    report_status: ReportStatus = of("status")


class DisputedLine(Answer):
    """A disputed line: its place on a report, and what it billed."""

    report_id: Uuid
    report_period: Month
    report_status: ReportStatus
    line_number: int | None = Field(description="On the final report; null on a draft.")
    action_id: Uuid
    action_type: str
    engagement_level: EngagementLevel
    timestamp: datetime
    billed: Amount = of("billed_cents", description="On a draft, as it stands now.")
    credit: CreditPlace | None = Field(description="On which report, once it is accepted.")


class Dispute(Answer):
    """A dispute with its lines, and on which report each is credited."""

    dispute_id: Uuid = of("dispute", "dispute_id")
    customer_id: str
    lead_id: str
    status: DisputeStatus = of("dispute", "status")
    reason: DisputeReason = of("dispute", "reason")
    note: str | None = of("dispute", "note")
    opened_by: str = of("dispute", "opened_by")
    opened_at: datetime = of("dispute", "opened_at")
    decided_by: str | None = of("dispute", "decided_by")
    decided_at: datetime | None = of("dispute", "decided_at")
    decision_note: str | None = of("dispute", "decision_note")
    billed: Amount = of("billed_cents")
    credited: Amount = of("credited_cents")
    lines: list[DisputedLine]


class DisputeList(Page[Dispute]):
    """A page of disputes, newest first."""


class DisputeOfAction(Answer):
    """The newest dispute of an action's line."""

    dispute_id: str
    status: DisputeStatus
    reason: DisputeReason
    credited: Amount
    credit: CreditPlace | None

    @classmethod
    def from_line(
        cls, dispute: search.FoundDispute, line: search.LineInDispute
    ) -> "DisputeOfAction":
        return cls(
            dispute_id=str(dispute.dispute.dispute_id),
            status=dispute.dispute.status,
            reason=dispute.dispute.reason,
            credited=0 if line.credit is None else line.billed_cents,
            credit=line.credit and CreditPlace.model_validate(line.credit),
        )
