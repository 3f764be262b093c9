"""Verification: a final report held against its stored lines and against the raw actions."""

from pydantic import Field

from common.billing_period import Period
from common.closing import verification
from common.final_reports.models import BillingReport
from services.reports.api.schemas.answer import Answer, of


class DifferingLine(Answer):
    """A line that is not what was closed."""

    line_number: int
    lead_id: str | None = of("lead")
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
    signed: bool = Field(description="Whether the report is signed.")
    tampered_proof: list[str] = Field(
        description="What is not as it was signed: the signature, the leaf in the tree of reports, "
        "tables with rows behind the report that were changed, later reports that are missing."
    )
    detail: str

    @classmethod
    def from_verification(
        cls, customer_id: str, stored: BillingReport, result: verification.Verification
    ) -> "Verification":
        return cls(
            report_id=str(stored.report_id),
            customer_id=customer_id,
            period=str(Period(stored.period)),
            verified=result.is_verified,
            lines=result.line_count,
            content_hash=result.content_hash,
            hash_of_stored_lines=result.stored_hash,
            hash_of_actions=result.rated_hash,
            previous_hash=result.previous_hash,
            hash_of_report_before=result.hash_before,
            tampered_fields=result.fields,
            tampered_line_count=result.differing_count,
            tampered_lines=[DifferingLine.model_validate(line) for line in result.lines],
            tampered_credits=result.credits,
            tampered_names=result.names,
            signed=result.is_signed,
            tampered_proof=result.proof,
            detail=result.detail,
        )
