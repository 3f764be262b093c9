"""Leads as they are stored and as they are rated, and the result of each posted lead."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from common import identifiers
from common.billing_period import Period
from common.disputes.search import FoundDispute
from common.enums import EngagementLevel, ReportStatus
from common.leads import models, results
from common.leads.masking import shown_user
from common.leads.search import FoundLead
from common.rating.line import total_of
from common.reports.lead_history import LineOnReport
from common.voiding import models as voiding
from services.reports.api.schemas.answer import Amount, Answer, ExternalId, Page, Uuid, of
from services.reports.api.schemas.disputes import DisputeOfAction
from services.reports.api.schemas.lines import Line, RateCardName, members_of
from services.reports.api.schemas.problems import FieldError
from services.reports.api.schemas.totals import Totals


def _is_none(value: object) -> bool:
    return value is None


class StoredUser(Answer):
    """The user that a lead names, with only what it names."""

    email: str | None = Field(default=None, exclude_if=_is_none)
    phone: str | None = Field(default=None, exclude_if=_is_none)
    external_id: str | None = Field(default=None, exclude_if=_is_none)


def _user_of(lead: Any) -> Any:
    """None if the lead names nobody, or if its user was erased; masked as the request may see."""
    if not isinstance(lead, models.Lead):
        return lead
    user = StoredUser(
        email=shown_user(lead.user_email),
        phone=shown_user(lead.user_phone),
        external_id=shown_user(lead.user_external_id),
    )
    return user if user.model_dump() else None


class StoredAction(Answer):
    """An action as it was posted, with its id."""

    action_id: Uuid
    action_type: str
    timestamp: datetime
    engagement_level: EngagementLevel


class _LeadBase(Answer):
    lead_id: str = of("lead", "external_id")
    customer_id: ExternalId = of("lead", "customer")
    product_id: ExternalId = of("lead", "product")
    lead_type: str = of("lead", "lead_type")
    user: Annotated[StoredUser | None, BeforeValidator(_user_of)] = of("lead")
    created_at: datetime = of("lead", "created_at")
    received_at: datetime = of("lead", "received_at")


class StoredLead(_LeadBase):
    """A lead as it was posted, with the ids of its actions."""

    actions: list[StoredAction]


class LeadList(Page[StoredLead]):
    """A page of leads, newest first."""


class RatedAction(Line):
    """An action of a lead, with its outcome, the report it is on, and its newest dispute."""

    period: str
    rate_card: RateCardName = Field(description="The card of its own month, which priced it.")
    report_id: str
    report_period: str
    report_status: ReportStatus
    dispute_until: datetime | None = Field(
        description="When the dispute window of its final report ends; null on a draft."
    )
    dispute: DisputeOfAction | None

    @classmethod
    def from_line_on_report(
        cls, rated: LineOnReport, timezone: str, report_id: str, dispute: DisputeOfAction | None
    ) -> "RatedAction":
        return cls(
            **members_of(rated.line, timezone),
            period=str(Period(rated.line.period)),
            rate_card=RateCardName.model_validate(rated.card),
            report_id=report_id,
            report_period=str(Period(rated.report_period)),
            report_status=rated.status,
            dispute_until=rated.dispute_until,
            dispute=dispute,
        )


class VoidedAction(StoredAction):
    """An action that was sent by mistake and taken back: it is on no report and costs nothing."""

    gross: Amount = "0.00"
    billed: Amount = "0.00"
    outcome: Literal["voided"] = "voided"
    reason: str
    voided_by: str
    voided_at: datetime


class RatedLead(_LeadBase):
    """A lead with the outcome of each of its actions, the voided ones last."""

    totals: Totals
    credited: Amount
    actions: list[RatedAction | VoidedAction]

    @classmethod
    def from_lines(
        cls,
        lead: models.Lead,
        lines: list[LineOnReport],
        disputes: list[FoundDispute],
        voided: list[voiding.VoidedAction],
    ) -> "RatedLead":
        newest = {
            str(line.action_id): DisputeOfAction.from_line(dispute, line)
            for dispute in disputes
            for line in dispute.lines
        }
        return cls(
            **dict(_LeadBase.model_validate(FoundLead(lead, []))),
            totals=Totals.model_validate(total_of([rated.line for rated in lines])),
            credited=sum(dispute.credited_cents for dispute in disputes),
            actions=[
                RatedAction.from_line_on_report(
                    rated,
                    lead.customer.timezone,
                    str(identifiers.report_id(lead.customer_id, str(Period(rated.report_period)))),
                    newest.get(rated.line.action_id),
                )
                for rated in lines
            ]
            + [VoidedAction.model_validate(action) for action in voided],
        )


class IngestionResult(Answer):
    """The result of one posted lead."""

    index: int
    lead_id: str | None
    status: results.Status
    actions_added: int
    warnings: list[FieldError]
    errors: list[FieldError]


class IngestionSummary(Answer):
    """The results of the posted leads, as the function answers (common/leads/results.py)."""

    created: int
    updated: int
    unchanged: int
    quarantined: int
    conflict: int
    invalid: int
    voided: int | None = None
    queued: int | None = None
    results: list[IngestionResult]
