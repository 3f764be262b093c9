"""Lines: one action each, with its price and its outcome."""

from datetime import datetime
from typing import Any

from pydantic import Field

from common.billing_period import Period
from common.enums import EngagementLevel, Outcome, RateKind
from common.rating import line as rating
from common.rating.rate_cards import CardInForce
from services.reports.api.schemas.answer import Amount, Answer
from services.reports.api.schemas.totals import Savings


class Original(Answer):
    """The action that a duplicate repeats."""

    lead_id: str
    action_id: str


class RateCardName(Answer):
    """Which version of which rate card."""

    name: str
    version: int


class Line(Answer):
    """One action of a report: gross = billed + savings."""

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
    gross: Amount
    billed: Amount
    savings: Savings
    outcome: Outcome
    duplicate_of: Original | None
    cap_used_before: Amount
    cap_used_after: Amount
    cap_limit: Amount
    explanation: str

    @classmethod
    def from_line(cls, line: rating.Line, timezone: str) -> "Line":
        return cls(**members_of(line, timezone))


class FileLine(Line):
    """A line in a file of lines: with the month that it belongs to."""

    period: str

    @classmethod
    def from_line(cls, line: rating.Line, timezone: str) -> "FileLine":
        return cls(**members_of(line, timezone), period=str(Period(line.period)))


class PriorPeriodLine(Line):
    """A line of an earlier period, whose action came after that period was closed."""

    period: str
    rate_card: RateCardName = Field(description="The card of its own month, which priced it.")

    @classmethod
    def from_line_and_card(
        cls, line: rating.Line, card: CardInForce, timezone: str
    ) -> "PriorPeriodLine":
        return cls(
            **members_of(line, timezone),
            period=str(Period(line.period)),
            rate_card=RateCardName.model_validate(card),
        )


def members_of(line: rating.Line, timezone: str) -> dict[str, Any]:
    """What every kind of line says; `timezone` is its customer's."""
    original = None
    if line.duplicate_of_lead_id is not None and line.duplicate_of_action_id is not None:
        original = Original(
            lead_id=line.duplicate_of_lead_id, action_id=line.duplicate_of_action_id
        )
    return {
        "action_id": line.action_id,
        "lead_id": line.lead_id,
        "product_id": line.product_id,
        "lead_type": line.lead_type,
        "user": line.user,
        "user_key": line.user_key,
        "action_type": line.action_type,
        "engagement_level": line.engagement_level,
        "timestamp": line.timestamp,
        "rate": line.rate,
        "gross": line.gross_cents,
        "billed": line.billed_cents,
        "savings": Savings.from_cents(line.duplicate_cents, line.cap_cents),
        "outcome": line.outcome,
        "duplicate_of": original,
        "cap_used_before": line.cap_used_before_cents,
        "cap_used_after": line.cap_used_after_cents,
        "cap_limit": line.cap_limit_cents,
        "explanation": line.explanation(timezone),
    }
