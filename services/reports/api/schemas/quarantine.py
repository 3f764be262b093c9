"""Quarantine: valid leads of unknown customers or products, and replays of them."""

from collections import Counter
from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from common.leads.masking import shown_user
from common.leads.quarantine import MAX_DISMISSED_AT_ONCE, QuarantineFilter
from common.leads.replay import MAX_LEADS_AT_ONCE, Piece
from common.leads.results import Status
from common.request_model import Id, RequestModel
from services.reports.api.schemas.answer import Answer, Page, Uuid, of
from services.reports.api.schemas.problems import FieldError


class QuarantineFilters:
    """The filters of the list, as parameters."""

    def __init__(
        self,
        customer_id: Id | None = None,
        product_id: Id | None = None,
        lead_id: Id | None = None,
        reason: Id | None = None,
    ) -> None:
        self.chosen = QuarantineFilter(customer_id, product_id, lead_id, reason)


class _FilterBody(RequestModel):
    customer_id: Id | None = None
    product_id: Id | None = None
    lead_id: Id | None = None
    reason: Id | None = None

    @property
    def chosen(self) -> QuarantineFilter:
        return QuarantineFilter(self.customer_id, self.product_id, self.lead_id, self.reason)


class ReplayBody(_FilterBody):
    """Which quarantined leads to replay; without filters, all of them."""

    limit: Annotated[int, Field(ge=1, le=MAX_LEADS_AT_ONCE, strict=True)] = MAX_LEADS_AT_ONCE
    cursor: Annotated[str | None, Field(max_length=4096)] = None


class DismissBody(_FilterBody):
    """Which quarantined leads to dismiss: at least one filter."""

    limit: Annotated[int, Field(ge=1, le=MAX_DISMISSED_AT_ONCE, strict=True)] = (
        MAX_DISMISSED_AT_ONCE
    )


class Dismissal(Answer):
    """How many leads of a filter were dismissed, and how many still wait."""

    dismissed: int
    remaining: int


def _shown_lead(lead: dict[str, Any]) -> dict[str, Any]:
    """The lead with its user as the request may see them."""
    user = lead.get("user") or {}
    return (
        lead | {"user": {name: shown_user(text) for name, text in user.items()}} if user else lead
    )


class QuarantinedLead(Answer):
    """A lead as it was posted, and why it is in quarantine."""

    quarantine_id: Uuid
    reason: str = Field(
        description="unknown_customer, unknown_product, or why the last replay did not store it: "
        "conflict or invalid."
    )
    received_at: datetime
    replayed_at: datetime | None
    lead: Annotated[dict[str, Any], BeforeValidator(_shown_lead)]


class QuarantineList(Page[QuarantinedLead]):
    """A page of quarantined leads, newest first."""


class ReplayedLead(Answer):
    """What became of one quarantined lead."""

    quarantine_id: Uuid = of("held", "quarantine_id")
    customer_id: str = of("held", "lead", "customer_id")
    lead_id: str = of("held", "lead", "lead_id")
    status: Status = of("result", "status")
    actions_added: int = of("result", "actions_added")
    errors: list[FieldError] = of("result", "errors")


class Replay(Answer):
    """A piece of a replay: its leads by result, in order of arrival.

    `remaining` leads of the filter arrived after this piece.
    """

    created: int
    updated: int
    unchanged: int
    voided: int
    quarantined: int
    conflict: int
    invalid: int
    remaining: int
    next_cursor: str | None
    results: list[ReplayedLead]

    @classmethod
    def from_piece(cls, piece: Piece, next_cursor: str | None) -> "Replay":
        counts = Counter(each.result.status for each in piece.replayed)
        return cls(
            created=counts[Status.CREATED],
            updated=counts[Status.UPDATED],
            unchanged=counts[Status.UNCHANGED],
            voided=counts[Status.VOIDED],
            quarantined=counts[Status.QUARANTINED],
            conflict=counts[Status.CONFLICT],
            invalid=counts[Status.INVALID],
            remaining=piece.remaining,
            next_cursor=next_cursor,
            results=[ReplayedLead.model_validate(each) for each in piece.replayed],
        )
