"""The shapes of the answers, for the OpenAPI description.

Answers are not made of these: tests hold every answer against them.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from common.closing.runs import Closing
from common.enums import (
    CapScope,
    DisputeReason,
    DisputeStatus,
    EngagementLevel,
    Outcome,
    RateKind,
    ReportStatus,
)
from common.leads.results import Status

Amount = Field(pattern=r"^-?[0-9]+\.[0-9]{2}$", examples=["12.00"])


class Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FieldErrorShape(Shape):
    pointer: str
    code: str
    detail: str


class ProblemShape(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    correlation_id: str | None = None
    errors: list[FieldErrorShape] = []


class SavingsShape(Shape):
    duplicate: str = Amount
    cap: str = Amount
    total: str = Amount


class TotalsShape(Shape):
    currency: Literal["USD"]
    gross: str = Amount
    billed: str = Amount
    savings: SavingsShape
    leads: int
    actions: int


class RepeatedShape(Shape):
    lead_id: str
    action_id: str


class LineShape(Shape):
    action_id: str
    lead_id: str
    product_id: str
    lead_type: str
    user: str | None
    user_key: str
    action_type: str
    engagement_level: EngagementLevel
    timestamp: datetime
    rate: RateKind
    gross: str = Amount
    billed: str = Amount
    savings: SavingsShape
    outcome: Outcome
    duplicate_of: RepeatedShape | None
    cap_used_before: str = Amount
    cap_used_after: str = Amount
    cap_limit: str = Amount
    explanation: str


class ByProductShape(Shape):
    product_id: str
    name: str
    totals: TotalsShape


class ByLeadTypeShape(Shape):
    lead_type: str
    totals: TotalsShape


class ByUserShape(Shape):
    user: str | None
    user_key: str
    totals: TotalsShape


class ByLeadShape(Shape):
    lead_id: str
    product_id: str
    lead_type: str
    user: str | None
    totals: TotalsShape


class NoticeShape(Shape):
    code: str
    detail: str


class RateCardShape(Shape):
    name: str
    version: int


class PriorPeriodLineShape(LineShape):
    period: str
    rate_card: RateCardShape = Field(description="The card of its own month, which priced it.")


class PriorPeriodShape(Shape):
    totals: TotalsShape
    lines: list[PriorPeriodLineShape]


class CreditShape(Shape):
    dispute_id: str
    reason: DisputeReason
    accepted_at: datetime
    report_id: str = Field(description="The report whose line is credited.")
    report_period: str
    line_number: int
    lead_id: str
    action_id: str
    action_type: str
    engagement_level: EngagementLevel
    amount: str = Amount
    explanation: str


class CreditsShape(Shape):
    total: str = Amount
    lines: list[CreditShape]


class ReportShape(Shape):
    report_id: str
    customer_id: str
    customer_name: str
    period: str
    timezone: str
    status: ReportStatus
    rate_card: RateCardShape
    totals: TotalsShape
    due: str = Field(
        pattern=r"^-?[0-9]+\.[0-9]{2}$",
        examples=["12.00"],
        description="Billed, with prior periods, less credits; may be negative.",
    )
    prior_period: PriorPeriodShape
    credits: CreditsShape
    by_product: list[ByProductShape]
    by_lead_type: list[ByLeadTypeShape]
    by_user: list[ByUserShape]
    by_lead: list[ByLeadShape]
    lines: list[LineShape]
    next_cursor: str | None
    warnings: list[NoticeShape]
    generated_at: datetime
    finalized_at: datetime | None
    hash_version: int | None = Field(description="Which form `content_hash` is over.")
    content_hash: str | None
    previous_hash: str | None


_DUE = Field(
    pattern=r"^-?[0-9]+\.[0-9]{2}$",
    examples=["12.00"],
    description="Of the whole report; null where `from` or `to` shows a part of it.",
)


class ReportEntryShape(Shape):
    report_id: str
    customer_id: str
    customer_name: str
    period: str
    timezone: str
    status: ReportStatus
    totals: TotalsShape
    due: str | None = _DUE


class ReportListShape(Shape):
    data: list[ReportEntryShape]
    totals: TotalsShape
    due: str | None = _DUE
    next_cursor: str | None


class DifferingLineShape(Shape):
    line_number: int
    lead_id: str | None
    action_id: str | None
    detail: str


class VerificationShape(Shape):
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
    tampered_lines: list[DifferingLineShape]
    tampered_credits: list[int] = Field(description="By their number on the report.")
    tampered_names: list[str] = Field(
        description="Leads and products that were given another name since."
    )
    detail: str


class CustomerResultShape(Shape):
    customer_id: str
    status: Closing
    due: str = Amount
    reason: str | None


class BillingRunShape(Shape):
    run_id: str
    period: str
    closed: int
    already_closed: int
    failed: int
    due: str = Amount
    results: list[CustomerResultShape]


class ParkedCustomerShape(Shape):
    customer_id: str
    reason: str
    parked_at: datetime


class PastRunShape(Shape):
    run_id: str
    period: str
    actor: str
    started_at: datetime
    finished_at: datetime | None
    duration_seconds: float | None
    closed: int
    already_closed: int
    failed: int
    totals: TotalsShape
    prior_period_billed: str = Amount
    credits: str = Amount
    due: str = Amount
    parked: list[ParkedCustomerShape]


class RunListShape(Shape):
    data: list[PastRunShape]
    next_cursor: str | None


class FinalAndDraftShape(Shape):
    final: int
    draft: int


class MisplacedActionShape(Shape):
    lead_id: str | None
    action_id: str
    detail: str


class ReconciliationShape(Shape):
    reconciled: bool
    actions: int
    final_lines: int
    draft_lines: int
    prior_period_lines: FinalAndDraftShape
    credit_lines: FinalAndDraftShape
    misplaced_credit_count: int
    misplaced_count: int
    misplaced: list[MisplacedActionShape]


class UserShape(Shape):
    email: str | None = None
    phone: str | None = None
    external_id: str | None = None


class ActionShape(Shape):
    action_id: str
    action_type: str
    timestamp: datetime
    engagement_level: EngagementLevel


class LeadShape(Shape):
    lead_id: str
    customer_id: str
    product_id: str
    lead_type: str
    user: UserShape | None
    created_at: datetime
    received_at: datetime
    actions: list[ActionShape]


class LeadListShape(Shape):
    data: list[LeadShape]
    next_cursor: str | None


class CreditPlaceShape(Shape):
    report_period: str
    report_status: ReportStatus


class DisputedLineShape(Shape):
    report_id: str
    report_period: str
    line_number: int
    action_id: str
    action_type: str
    engagement_level: EngagementLevel
    timestamp: datetime
    billed: str = Amount
    credit: CreditPlaceShape | None = Field(description="On which report, once it is accepted.")


class DisputeShape(Shape):
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
    billed: str = Amount
    credited: str = Amount
    lines: list[DisputedLineShape]


class DisputeListShape(Shape):
    data: list[DisputeShape]
    next_cursor: str | None


class DisputeOfActionShape(Shape):
    """The newest dispute of an action's line."""

    dispute_id: str
    status: DisputeStatus
    reason: DisputeReason
    credited: str = Amount
    credit: CreditPlaceShape | None


class DecidedActionShape(LineShape):
    period: str
    rate_card: RateCardShape = Field(description="The card of its own month, which priced it.")
    report_id: str
    report_period: str
    report_status: ReportStatus
    dispute: DisputeOfActionShape | None


class DecidedLeadShape(Shape):
    lead_id: str
    customer_id: str
    product_id: str
    lead_type: str
    user: UserShape | None
    created_at: datetime
    received_at: datetime
    totals: TotalsShape
    credited: str = Amount
    actions: list[DecidedActionShape]


class CustomerShape(Shape):
    customer_id: str
    name: str
    email: str
    timezone: str
    created_at: datetime


class CustomerListShape(Shape):
    data: list[CustomerShape]
    next_cursor: str | None


class ProductShape(Shape):
    product_id: str
    name: str
    description: str | None
    created_at: datetime


class ProductListShape(Shape):
    data: list[ProductShape]
    next_cursor: str | None


class RateShape(Shape):
    engagement_level: EngagementLevel
    lead_type: str | None
    product_id: str | None
    amount: str = Amount


class CapShape(Shape):
    amount: str = Amount
    scope: CapScope


class RateCardVersionShape(Shape):
    rate_card_id: str
    customer_id: str | None = Field(description="null: the default card")
    name: str
    version: int
    valid_from: str = Field(examples=["2024-05"])
    currency: Literal["USD"]
    follows_default: bool = Field(description="true: no rates, no cap, the default card's hold")
    rates: list[RateShape]
    cap: CapShape | None
    duplicates_charged_for: list[str]
    dispute_window_days: int | None
    created_at: datetime


class RateCardListShape(Shape):
    data: list[RateCardVersionShape]
    next_cursor: str | None


class RateCardInForceShape(Shape):
    name: str
    version: int
    is_default: bool


class DifferenceShape(Shape):
    """Proposed less current."""

    currency: Literal["USD"]
    gross: str = Amount
    billed: str = Amount
    savings: SavingsShape


class ComparisonShape(Shape):
    current: TotalsShape
    proposed: TotalsShape
    difference: DifferenceShape


class SimulatedCustomerShape(ComparisonShape):
    customer_id: str
    customer_name: str
    rate_card: RateCardInForceShape = Field(description="The card in force.")
    is_repriced: bool = Field(description="false: stays on a card of their own")


class SimulationShape(Shape):
    period: str
    customers: list[SimulatedCustomerShape]
    totals: ComparisonShape


class QuarantinedLeadShape(Shape):
    quarantine_id: str
    reason: str
    received_at: datetime
    lead: dict[str, Any]


class QuarantineListShape(Shape):
    data: list[QuarantinedLeadShape]
    next_cursor: str | None


class ResultShape(Shape):
    index: int
    lead_id: str | None
    status: Status
    actions_added: int
    warnings: list[FieldErrorShape]
    errors: list[FieldErrorShape]


class PostAnswerShape(Shape):
    created: int
    updated: int
    unchanged: int
    quarantined: int
    conflict: int
    invalid: int
    queued: int | None = None
    results: list[ResultShape]


class HealthShape(Shape):
    status: str


class LiveShape(HealthShape):
    version: str


class KeyShape(Shape):
    key_id: str
    name: str
    role: Literal["ingest", "viewer", "admin"]
    customer_id: str | None
    created_at: datetime
    expires_at: datetime | None
    rotated_from: str | None


class NewKeyShape(KeyShape):
    key: str


class KeyListShape(Shape):
    data: list[KeyShape]
    next_cursor: str | None


class AuditEntryShape(Shape):
    entry_id: int
    recorded_at: datetime
    actor: str
    database_user: str
    action: str
    subject: str
    subject_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class AuditListShape(Shape):
    data: list[AuditEntryShape]
    next_cursor: str | None


class ErasureShape(Shape):
    leads: int
    quarantined_leads: int
