"""Verification: a final report held against its stored lines and against the raw actions."""

from pydantic import Field

from common.billing_period import Period
from common.closing import verification
from common.final_reports.models import BillingReport
from services.reports.api.schemas.answer import Answer


class DifferingLine(Answer):
    """A line that is not what was closed."""

    line_number: int
    lead_id: str | None
    action_id: str | None
    detail: str


class Verification(Answer):
    """Whether a final report is what was closed, and what differs where it is not."""

    report_id: str
    customer_id: str
    period: str
    verified: bool
    lines: int
    content_hash: str
    hash_of_stored_lines: str
    hash_of_actions: str
    previous_hash: str | None
    hash_of_report_before: str | None
    tampered_fields: list[str]
    tampered_line_count: int
    tampered_lines: list[DifferingLine]
    tampered_credits: list[int] = Field(description="By their number on the report.")
    tampered_names: list[str] = Field(
        description="Leads and products that were given another name since."
    )
    detail: str

    @classmethod
    def from_verification(
        cls, customer_id: str, stored: BillingReport, found: verification.Verification
    ) -> "Verification":
        return cls(
            report_id=str(stored.report_id),
            customer_id=customer_id,
            period=str(Period(stored.period)),
            verified=found.is_verified,
            lines=found.line_count,
            content_hash=found.content_hash,
            hash_of_stored_lines=found.stored_hash,
            hash_of_actions=found.rated_hash,
            previous_hash=found.previous_hash,
            hash_of_report_before=found.hash_before,
            tampered_fields=found.fields,
            tampered_line_count=found.differing_count,
            tampered_lines=[
                DifferingLine(
                    line_number=line.line_number,
                    lead_id=line.lead,
                    action_id=line.action_id,
                    detail=line.detail,
                )
                for line in found.lines
            ],
            tampered_credits=found.credits,
            tampered_names=found.names,
            detail=found.detail,
        )
