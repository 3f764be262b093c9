"""Rate cards: every version of the default card and of the customers' own."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from common.billing_period import Period
from common.enums import CapScope, EngagementLevel
from common.money import amount
from common.rating import models
from services.reports.api.schemas.answer import Amount, Answer, Page


class Rate(Answer):
    """One price: of a level alone, or of a level for a lead type, a product, or both."""

    engagement_level: EngagementLevel
    lead_type: str | None
    product_id: str | None
    amount: Amount

    @classmethod
    def from_stored(cls, stored: models.RateCardRate) -> "Rate":
        return cls(
            engagement_level=stored.engagement_level,
            lead_type=stored.lead_type,
            product_id=stored.product and stored.product.external_id,
            amount=amount(stored.amount_cents),
        )


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

    @classmethod
    def from_stored(cls, stored: models.RateCard) -> "RateCard":
        cap = Cap(amount=amount(stored.cap_cents), scope=stored.cap_scope)
        return cls(
            rate_card_id=str(stored.rate_card_id),
            customer_id=stored.customer and stored.customer.external_id,
            name=stored.name,
            version=stored.version,
            valid_from=str(Period(stored.valid_from)),
            currency=stored.currency,
            follows_default=stored.follows_default,
            rates=[Rate.from_stored(rate) for rate in stored.rates],
            cap=None if stored.follows_default else cap,
            duplicates_charged_for=[each.lead_type for each in stored.charged_duplicates],
            dispute_window_days=None if stored.follows_default else stored.dispute_window_days,
            created_at=stored.created_at,
        )


class RateCardList(Page[RateCard]):
    """A page of versions: the default card's, then each customer's, newest first."""
