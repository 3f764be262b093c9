"""A credit: what a disputed line billed, given back to the customer."""

from datetime import date, datetime
from typing import NamedTuple

from common.billing_period import Period
from common.enums import DisputeReason
from common.money import money

_REASON_NAMES = {
    DisputeReason.DUPLICATE: "a duplicate",
    DisputeReason.INVALID_CONTACT: "an invalid contact",
    DisputeReason.OUT_OF_AREA: "out of area",
    DisputeReason.SPAM: "spam",
    DisputeReason.NOT_REQUESTED: "not requested",
    DisputeReason.OTHER: "wrongly billed",
}


class Credit(NamedTuple):
    """The amount in cents that a line of an earlier report billed, given back."""

    dispute_id: str
    reason: DisputeReason
    accepted_at: datetime
    report_id: str
    report_period: date
    line_number: int
    lead_id: str
    action_id: str
    action_type: str
    engagement_level: str
    amount_cents: int

    @property
    def explanation(self) -> str:
        """One sentence: what is credited, from which report and line, and why."""
        return (
            f"{money(self.amount_cents)} billed for {self.action_type} ({self.engagement_level}) "
            f"of lead {self.lead_id}, line {self.line_number} of the report of "
            f"{Period(self.report_period).name}, is credited: it was disputed as "
            f"{_REASON_NAMES[self.reason]}, and the dispute was accepted on "
            f"{self.accepted_at:%Y-%m-%d}."
        )
