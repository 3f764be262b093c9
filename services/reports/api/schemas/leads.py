"""Leads: as they are stored, as they were rated, and what became of posted ones."""

from datetime import datetime
from typing import Any

from pydantic import Field

from common import identifiers
from common.billing_period import Period
from common.disputes.search import FoundDispute
from common.enums import EngagementLevel, ReportStatus
from common.leads import models, results
from common.leads.search import FoundLead
from common.money import amount
from common.rating.line import total_of
from common.reports.lead_history import LineOnReport
from services.reports.api.schemas.answer import Amount, Answer, Page
from services.reports.api.schemas.disputes import DisputeOfAction
from services.reports.api.schemas.lines import Line, RateCardName, members_of
from services.reports.api.schemas.problems import FieldError
from services.reports.api.schemas.totals import Totals


def _is_none(value: object) -> bool:
    return value is None


class StoredUser(Answer):
    """Whom a lead names; only what it names is there."""

    email: str | None = Field(default=None, exclude_if=_is_none)
    phone: str | None = Field(default=None, exclude_if=_is_none)
    external_id: str | None = Field(default=None, exclude_if=_is_none)

    @classmethod
    def from_lead(cls, lead: models.Lead) -> "StoredUser | None":
        """None where the lead names nobody, or where its user was erased."""
        user = cls(
            email=lead.user_email or None,
            phone=lead.user_phone or None,
            external_id=lead.user_external_id or None,
        )
        return user if user.model_dump() else None


class StoredAction(Answer):
    """An action as it was posted, with its id."""

    action_id: str
    action_type: str
    timestamp: datetime
    engagement_level: EngagementLevel

    @classmethod
    def from_action(cls, action: models.Action) -> "StoredAction":
        return cls(
            action_id=str(action.action_id),
            action_type=action.action_type,
            timestamp=action.timestamp,
            engagement_level=action.engagement_level,
        )


class _LeadBase(Answer):
    lead_id: str
    customer_id: str
    product_id: str
    lead_type: str
    user: StoredUser | None
    created_at: datetime
    received_at: datetime


class StoredLead(_LeadBase):
    """A lead as it was posted, with the ids of its actions."""

    actions: list[StoredAction]

    @classmethod
    def from_lead(cls, found: FoundLead) -> "StoredLead":
        actions = [StoredAction.from_action(action) for action in found.actions]
        return cls(**_members_of(found.lead), actions=actions)


class LeadList(Page[StoredLead]):
    """A page of leads, newest first."""


class RatedAction(Line):
    """An action of a lead, with its outcome, the report it is on, and its newest dispute."""

    period: str
    rate_card: RateCardName = Field(description="The card of its own month, which priced it.")
    report_id: str
    report_period: str
    report_status: ReportStatus
    dispute: DisputeOfAction | None

    @classmethod
    def from_line_on_report(
        cls, rated: LineOnReport, report_id: str, dispute: DisputeOfAction | None
    ) -> "RatedAction":
        return cls(
            **members_of(rated.line),
            period=str(Period(rated.line.period)),
            rate_card=RateCardName.from_card(rated.card),
            report_id=report_id,
            report_period=str(Period(rated.report_period)),
            report_status=rated.status,
            dispute=dispute,
        )


class RatedLead(_LeadBase):
    """A lead with what became of each of its actions."""

    totals: Totals
    credited: Amount
    actions: list[RatedAction]

    @classmethod
    def from_lines(
        cls, lead: models.Lead, lines: list[LineOnReport], disputes: list[FoundDispute]
    ) -> "RatedLead":
        newest = {
            str(line.action_id): DisputeOfAction.from_line(found, line)
            for found in disputes
            for line in found.lines
        }
        return cls(
            **_members_of(lead),
            totals=Totals.from_totals(total_of([rated.line for rated in lines])),
            credited=amount(sum(found.credited_cents for found in disputes)),
            actions=[
                RatedAction.from_line_on_report(
                    rated,
                    str(identifiers.report_id(lead.customer_id, str(Period(rated.report_period)))),
                    newest.get(rated.line.action_id),
                )
                for rated in lines
            ],
        )


class IngestionResult(Answer):
    """What became of one posted lead."""

    index: int
    lead_id: str | None
    status: results.Status
    actions_added: int
    warnings: list[FieldError]
    errors: list[FieldError]

    @classmethod
    def from_result(cls, result: results.Result) -> "IngestionResult":
        return cls(
            index=result.index,
            lead_id=result.lead_id,
            status=result.status,
            actions_added=result.actions_added,
            warnings=[FieldError.from_error(warning) for warning in result.warnings],
            errors=[FieldError.from_error(error) for error in result.errors],
        )


class IngestionSummary(Answer):
    """What became of the posted leads. The function answers so (common/leads/results.py)."""

    created: int
    updated: int
    unchanged: int
    quarantined: int
    conflict: int
    invalid: int
    queued: int | None = None
    results: list[IngestionResult]


def _members_of(lead: models.Lead) -> dict[str, Any]:
    return {
        "lead_id": lead.external_id,
        "customer_id": lead.customer.external_id,
        "product_id": lead.product.external_id,
        "lead_type": lead.lead_type,
        "user": StoredUser.from_lead(lead),
        "created_at": lead.created_at,
        "received_at": lead.received_at,
    }
