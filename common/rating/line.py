"""A rated line: one action of a period with its price, outcome and explanation.

Invariant: gross = billed + duplicate savings + cap savings, in integer cents
(docs/billing-rules.md, Always).
"""

from collections.abc import Iterable
from datetime import date, datetime
from typing import NamedTuple

from common.enums import Outcome, RateKind
from common.money import amount, money
from common.rating.totals import Totals


class Line(NamedTuple):
    """One action of a period, its price and its outcome. Amounts in cents."""

    period: date
    action_id: str
    lead_id: str
    product_id: str
    lead_type: str
    user: str | None
    user_key: str
    action_type: str
    engagement_level: str
    timestamp: datetime
    gross_cents: int
    billed_cents: int
    duplicate_cents: int
    cap_cents: int
    cap_limit_cents: int
    cap_used_before_cents: int
    duplicate_of_lead_id: str | None
    duplicate_of_action_id: str | None
    duplicate_of_timestamp: datetime | None
    rate: str = RateKind.LEVEL
    has_user: bool = True  # also where the user was erased since, and `user` is None
    caps_product: bool = False  # the cap is of its product alone, not of all that the user costs

    @property
    def outcome(self) -> Outcome:
        if self.duplicate_of_action_id is not None:
            return Outcome.DUPLICATE
        if self.cap_cents == 0:
            return Outcome.BILLED
        return Outcome.PARTIALLY_CAPPED if self.billed_cents else Outcome.CAPPED

    @property
    def cap_used_after_cents(self) -> int:
        return self.cap_used_before_cents + self.billed_cents

    @property
    def explanation(self) -> str:
        """One sentence that a customer understands: what happened, and the arithmetic of it."""
        action = f"{self.action_type} ({self.engagement_level})"
        user = "this user" if self.has_user else "the leads without a user"
        price = money(self.gross_cents) + self._rate_name
        cap = f"{money(self.cap_limit_cents)} monthly cap"
        if self.caps_product:
            cap += f" for {self.product_id}"
        match self.outcome:
            case Outcome.BILLED:
                return (
                    f"{action} is charged its full price of {price} and brings {user} to "
                    f"{amount(self.cap_used_after_cents)} of the {cap}."
                )
            case Outcome.DUPLICATE:
                return (
                    f"{action} is not charged and saves {price}: it is a duplicate of the action "
                    f"of lead {self.duplicate_of_lead_id} on "
                    f"{_moment(self.duplicate_of_timestamp)}, for the same user, product and level "
                    "in the same month."
                )
            case Outcome.PARTIALLY_CAPPED:
                return (
                    f"{action} is charged {amount(self.billed_cents)} of its price of {price} and "
                    f"saves {money(self.cap_cents)}: {user} had already used "
                    f"{amount(self.cap_used_before_cents)} of the {cap}."
                )
            case Outcome.CAPPED:
                return (
                    f"{action} is not charged and saves {price}: {user} had already used all of "
                    f"the {cap}."
                )

    @property
    def _rate_name(self) -> str:
        match self.rate:
            case RateKind.LEAD_TYPE:
                return f" at the rate for {self.lead_type}"
            case RateKind.PRODUCT:
                return f" at the rate for {self.product_id}"
            case RateKind.PRODUCT_AND_LEAD_TYPE:
                return f" at the rate for {self.lead_type} of {self.product_id}"
        return ""


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment is not None else "an unknown date"


def total_of(lines: Iterable[Line]) -> Totals:
    """The totals of some lines."""
    leads, sums = set(), Totals()
    for line in lines:
        leads.add(line.lead_id)
        sums = sums.plus(
            Totals(
                line.gross_cents,
                line.billed_cents,
                line.duplicate_cents,
                line.cap_cents,
                actions=1,
            )
        )
    return sums._replace(leads=len(leads))
