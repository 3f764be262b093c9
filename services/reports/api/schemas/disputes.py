"""Disputes: what a customer does not want to pay, and what came of it."""

from datetime import datetime

from pydantic import Field

from common.disputes import search
from common.enums import DisputeReason, DisputeStatus, EngagementLevel, ReportStatus
from common.money import amount
from services.reports.api.schemas.answer import Amount, Answer, Page


class CreditPlace(Answer):
    """The report on which a credit stands."""

    report_period: str
    report_status: ReportStatus

    @classmethod
    def from_place(cls, place: search.CreditPlace) -> "CreditPlace":
        return cls(report_period=str(place.period), report_status=place.status)


class DisputedLine(Answer):
    """A line in dispute: where it stands and what it billed."""

    report_id: str
    report_period: str
    line_number: int
    action_id: str
    action_type: str
    engagement_level: EngagementLevel
    timestamp: datetime
    billed: Amount
    credit: CreditPlace | None = Field(description="On which report, once it is accepted.")

    @classmethod
    def from_line(cls, line: search.LineInDispute) -> "DisputedLine":
        return cls(
            report_id=str(line.report_id),
            report_period=str(line.report_period),
            line_number=line.line_number,
            action_id=str(line.action_id),
            action_type=line.action_type,
            engagement_level=EngagementLevel(line.engagement_level),
            timestamp=line.timestamp,
            billed=amount(line.billed_cents),
            credit=line.credit and CreditPlace.from_place(line.credit),
        )


class Dispute(Answer):
    """A dispute with its lines, and on which report each is credited."""

    dispute_id: str
    customer_id: str
    lead_id: str
    status: DisputeStatus
    reason: DisputeReason
    note: str | None
    opened_by: str
    opened_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    decision_note: str | None
    billed: Amount
    credited: Amount
    lines: list[DisputedLine]

    @classmethod
    def from_found(cls, found: search.FoundDispute) -> "Dispute":
        stored = found.dispute
        return cls(
            dispute_id=str(stored.dispute_id),
            customer_id=found.customer_id,
            lead_id=found.lead_id,
            status=stored.status,
            reason=stored.reason,
            note=stored.note,
            opened_by=stored.opened_by,
            opened_at=stored.opened_at,
            decided_by=stored.decided_by,
            decided_at=stored.decided_at,
            decision_note=stored.decision_note,
            billed=amount(found.billed_cents),
            credited=amount(found.credited_cents),
            lines=[DisputedLine.from_line(line) for line in found.lines],
        )


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
    def from_line(cls, found: search.FoundDispute, line: search.LineInDispute) -> "DisputeOfAction":
        return cls(
            dispute_id=str(found.dispute.dispute_id),
            status=found.dispute.status,
            reason=found.dispute.reason,
            credited=amount(0 if line.credit is None else line.billed_cents),
            credit=line.credit and CreditPlace.from_place(line.credit),
        )
