"""Rate cards: every version of the default card and of the customers' own."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field, model_validator

from common.billing_period import Period
from common.enums import CapScope, EngagementLevel
from common.rating import models
from services.reports.api.schemas.answer import Amount, Answer, ExternalId, Page, of


class Rate(Answer):
    """One price: of a level alone, or of a level for a lead type, a product, or both."""

    engagement_level: EngagementLevel
    lead_type: str | None
    product_id: ExternalId | None = of("product")
    amount: Amount = of("amount_cents")


class Cap(Answer):
    """The most that is billed in a month for each user, or each user and product."""

    amount: Amount
    scope: CapScope


class RateCard(Answer):
    """One version of a rate card. Versions are never edited."""

    rate_card_id: str
    customer_id: str | None = Field(description="null: the default card")
    name: str
    version: int
    valid_from: str = Field(examples=["2024-05"])
    currency: Literal["USD"]
    follows_default: bool = Field(description="true: no rates, no cap, the default card's hold")
    rates: list[Rate]
    cap: Cap | None
    duplicates_charged_for: list[str]
    dispute_window_days: int | None
    created_at: datetime

    @model_validator(mode="before")
    @classmethod
    def _from_stored(cls, card: Any) -> Any:
        if not isinstance(card, models.RateCard):
            return card
        has_terms = not card.follows_default
        return {
            "rate_card_id": str(card.rate_card_id),
            "customer_id": card.customer and card.customer.external_id,
            "name": card.name,
            "version": card.version,
            "valid_from": str(Period(card.valid_from)),
            "currency": card.currency,
            "follows_default": card.follows_default,
            "rates": card.rates,
            "cap": {"amount": card.cap_cents, "scope": card.cap_scope} if has_terms else None,
            "duplicates_charged_for": [charged.lead_type for charged in card.charged_duplicates],
            "dispute_window_days": card.dispute_window_days if has_terms else None,
            "created_at": card.created_at,
        }


class RateCardList(Page[RateCard]):
    """A page of versions: the default card's, then each customer's, newest first."""
