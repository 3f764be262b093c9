"""The words of a bill: period, totals, line, report. Pure; knows no database and no wire.

Invariant: gross = billed + duplicate savings + cap savings, on every line and every total, in
integer cents (rules.md, 6).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import MAXYEAR, date, datetime
from enum import StrEnum
from typing import Any, NamedTuple, Self

CURRENCY = "USD"
PERIOD_PATTERN = r"^([0-9]{4})-(0[1-9]|1[0-2])$"  # 0000 is none, too
_PERIOD = re.compile(PERIOD_PATTERN)


class EngagementLevel(StrEnum):
    """How engaged an action shows its user to be; declared in canonical order (rules.md, 5)."""

    HIGH = "High"
    MEDIUM = "Medium"
    LOW = "Low"


class CapScope(StrEnum):
    """What one cap covers within a customer's period (rules.md, 4)."""

    USER = "user"
    USER_AND_PRODUCT = "user_and_product"


class RateKind(StrEnum):
    """What a rate is for beside a level; the more of it, the more specific (rules.md, 2)."""

    LEVEL = "level"
    LEAD_TYPE = "lead_type"
    PRODUCT = "product"
    PRODUCT_AND_LEAD_TYPE = "product_and_lead_type"


class Outcome(StrEnum):
    """What was decided about one action."""

    BILLED = "billed"
    DUPLICATE = "duplicate"
    PARTIALLY_CAPPED = "partially_capped"
    CAPPED = "capped"


class DisputeReason(StrEnum):
    """Why a customer does not want to pay for a line."""

    DUPLICATE = "duplicate"
    INVALID_CONTACT = "invalid_contact"
    OUT_OF_AREA = "out_of_area"
    SPAM = "spam"
    NOT_REQUESTED = "not_requested"
    OTHER = "other"


class DisputeStatus(StrEnum):
    """What came of a dispute."""

    OPEN = "open"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class ReportStatus(StrEnum):
    """A draft follows its actions; a final report never changes."""

    DRAFT = "draft"
    FINAL = "final"


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """A calendar month; what instants it covers depends on the customer's zone (rules.md, 1)."""

    start: date

    @classmethod
    def parse(cls, text: str) -> Self:
        """From "2024-04". Raises ValueError on anything else."""
        match = _PERIOD.fullmatch(text)
        if match is None or match[1] == "0000":
            raise ValueError("a period is a month such as 2024-04")
        return cls(date(int(match[1]), int(match[2]), 1))

    def __str__(self) -> str:
        return self.start.isoformat()[:7]

    @property
    def end(self) -> date:
        """The first day of the next month; the last month there is ends with the calendar."""
        if self.start.month < 12:
            return self.start.replace(month=self.start.month + 1)
        return date(self.start.year + 1, 1, 1) if self.start.year < MAXYEAR else date.max

    @property
    def before(self) -> Self:
        """The month before; the first there is has none. Raises ValueError."""
        last_day = self.start.toordinal() - 1
        if not last_day:
            raise ValueError("no month comes before the first")
        return type(self)(date.fromordinal(last_day).replace(day=1))

    @property
    def name(self) -> str:
        """For people: "April 2024"."""
        return f"{self.start:%B} {self.start.year}"


def amount(cents: int) -> str:
    """Cents as the decimal string that JSON carries: 1200 is "12.00"."""
    if cents < 0:
        return f"-{amount(-cents)}"
    return f"{cents // 100}.{cents % 100:02d}"


def money(cents: int) -> str:
    """Cents with their currency, for a sentence: "12.00 USD"."""
    return f"{amount(cents)} {CURRENCY}"


class Totals(NamedTuple):
    """Sums over lines. Amounts in cents; `leads` counts those with a line."""

    gross_cents: int = 0
    billed_cents: int = 0
    duplicate_cents: int = 0
    cap_cents: int = 0
    leads: int = 0
    actions: int = 0

    def plus(self, other: "Totals") -> "Totals":
        return Totals(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def document(self) -> dict[str, Any]:
        return {
            "currency": CURRENCY,
            "gross": amount(self.gross_cents),
            "billed": amount(self.billed_cents),
            "savings": _savings(self.duplicate_cents, self.cap_cents),
            "leads": self.leads,
            "actions": self.actions,
        }


def _savings(duplicate_cents: int, cap_cents: int) -> dict[str, str]:
    return {
        "duplicate": amount(duplicate_cents),
        "cap": amount(cap_cents),
        "total": amount(duplicate_cents + cap_cents),
    }


class Line(NamedTuple):
    """One action of a period and what was decided about it. Amounts in cents."""

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
    names_user: bool = True  # also where the user was erased since, and `user` is None
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
        """One sentence a customer understands: what happened, and the arithmetic of it."""
        what = f"{self.action_type} ({self.engagement_level})"
        whose = "this user" if self.names_user else "the leads that name no user"
        price, billed, cap = map(money, (self.gross_cents, self.billed_cents, self.cap_limit_cents))
        if self.caps_product:
            cap = f"{cap} for {self.product_id}"
        match self.outcome:
            case Outcome.BILLED:
                comma = "," if self._rate_name else ""
                return (
                    f"{what} is charged at its full price of {price}{comma}{self._rate_name}: "
                    f"{whose} had cost {money(self.cap_used_before_cents)} of the month's cap of "
                    f"{cap}, with it {money(self.cap_used_after_cents)}."
                )
            case Outcome.DUPLICATE:
                return (
                    f"{what} is not charged: it repeats the one of lead "
                    f"{self.duplicate_of_lead_id} on {_moment(self.duplicate_of_timestamp)} "
                    "for the same user, product and level in the same month, "
                    f"which saves {money(self.duplicate_cents)}{self._rate_name}."
                )
            case Outcome.PARTIALLY_CAPPED:
                return (
                    f"{what} is charged {billed} of its price of {price}{self._rate_name}: "
                    f"{whose} had already cost {money(self.cap_used_before_cents)} of the "
                    f"month's cap of {cap}, which saves {money(self.cap_cents)}."
                )
            case Outcome.CAPPED:
                return (
                    f"{what} is not charged: {whose} had already reached the month's cap of "
                    f"{cap}, which saves {money(self.cap_cents)}{self._rate_name}."
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

    def document(self) -> dict[str, Any]:
        return {
            "action_id": self.action_id,
            "lead_id": self.lead_id,
            "product_id": self.product_id,
            "lead_type": self.lead_type,
            "user": self.user,
            "user_key": self.user_key,
            "action_type": self.action_type,
            "engagement_level": self.engagement_level,
            "timestamp": instant(self.timestamp),
            "rate": self.rate,
            "gross": amount(self.gross_cents),
            "billed": amount(self.billed_cents),
            "savings": _savings(self.duplicate_cents, self.cap_cents),
            "outcome": self.outcome.value,
            "duplicate_of": None
            if self.duplicate_of_action_id is None
            else {
                "lead_id": self.duplicate_of_lead_id,
                "action_id": self.duplicate_of_action_id,
            },
            "cap_used_before": amount(self.cap_used_before_cents),
            "cap_used_after": amount(self.cap_used_after_cents),
            "cap_limit": amount(self.cap_limit_cents),
            "explanation": self.explanation,
        }


_REASON_NAMES = {
    DisputeReason.DUPLICATE: "a duplicate",
    DisputeReason.INVALID_CONTACT: "an invalid contact",
    DisputeReason.OUT_OF_AREA: "out of area",
    DisputeReason.SPAM: "spam",
    DisputeReason.NOT_REQUESTED: "not requested",
    DisputeReason.OTHER: "wrongly billed",
}


class Credit(NamedTuple):
    """What a line of an earlier report had billed, given back. Amount in cents."""

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

    def document(self) -> dict[str, Any]:
        return {
            "dispute_id": self.dispute_id,
            "reason": self.reason.value,
            "accepted_at": instant(self.accepted_at),
            "report_id": self.report_id,
            "report_period": str(Period(self.report_period)),
            "line_number": self.line_number,
            "lead_id": self.lead_id,
            "action_id": self.action_id,
            "action_type": self.action_type,
            "engagement_level": self.engagement_level,
            "amount": amount(self.amount_cents),
            "explanation": self.explanation,
        }


def instant(moment: datetime) -> str:
    """RFC 3339 in UTC, as JSON carries it."""
    return moment.isoformat().replace("+00:00", "Z")


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment is not None else "an unknown date"


@dataclass(frozen=True, slots=True)
class Group:
    """A part of a report: the members that name it, and its totals."""

    members: dict[str, Any]
    totals: Totals

    def document(self) -> dict[str, Any]:
        return self.members | {"totals": self.totals.document()}


class CardName(NamedTuple):
    """Which version of which rate card."""

    name: str
    version: int
    caps_product: bool = False  # has a cap for each product of a user

    def document(self) -> dict[str, Any]:
        return {"name": self.name, "version": self.version}


class Notice(NamedTuple):
    """Something about a report that its reader should know: a stable code and a sentence."""

    code: str
    detail: str

    def document(self) -> dict[str, str]:
        return self._asdict()


class Parts(NamedTuple):
    """A report's breakdowns, each of which adds up to its totals."""

    by_product: list[Group]
    by_lead_type: list[Group]
    by_user: list[Group]
    by_lead: list[Group]


@dataclass(slots=True)
class Report:
    """What one customer owes for one period, and why.

    `lines` come in canonical order and may be a stream that is read once.
    """

    report_id: str
    customer_id: str
    customer_name: str
    period: Period
    timezone: str
    status: ReportStatus
    rate_card_name: str
    rate_card_version: int
    totals: Totals
    parts: Parts
    lines: Iterable[Line]
    notices: list[Notice]
    generated_at: datetime
    next_cursor: str | None = None
    finalized_at: datetime | None = None
    content_hash: str | None = None
    previous_hash: str | None = None
    canonical_form: int | None = None
    prior_period: list[Line] = field(default_factory=list)
    prior_cards: dict[date, CardName] = field(default_factory=dict)  # by the lines' own month
    credits: list[Credit] = field(default_factory=list)

    @property
    def credit_cents(self) -> int:
        return sum(credit.amount_cents for credit in self.credits)

    @property
    def due_cents(self) -> int:
        """Billed of this period and its prior-period lines, less credits (rules.md, "Closing a
        period"); negative where more is credited than billed."""
        late = sum(line.billed_cents for line in self.prior_period)
        return self.totals.billed_cents + late - self.credit_cents


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


def notices_of(totals: Totals, leads_without_user: int) -> list[Notice]:
    """What the reader of a report with these totals should know."""
    if not leads_without_user:
        return []
    return [
        Notice(
            "leads_without_user",
            f"{leads_without_user} of {totals.leads} leads name no user. They are billed under "
            "one fallback user of this customer, so an action that one of them repeats counts as "
            "a duplicate, and all of them share one cap. Send a user with each lead to have "
            "people told apart.",
        )
    ]
