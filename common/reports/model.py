"""A report: what one customer owes for one period, and why."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple

from common.billing_period import Period
from common.disputes.credit import Credit
from common.enums import ReportStatus
from common.rating.line import Line
from common.rating.totals import Totals


@dataclass(frozen=True, slots=True)
class Group:
    """A part of a report: the members that name it, and its totals."""

    members: dict[str, Any]
    totals: Totals


class CardName(NamedTuple):
    """Which version of which rate card."""

    name: str
    version: int
    caps_product: bool = False  # has a cap for each product of a user


class Notice(NamedTuple):
    """Something about a report that its reader should know: a stable code and a sentence."""

    code: str
    detail: str


class Parts(NamedTuple):
    """A report's breakdowns, each of which adds up to its totals."""

    by_product: list[Group]
    by_lead_type: list[Group]
    by_user: list[Group]
    by_lead: list[Group]


@dataclass(slots=True)
class Report:
    """What one customer owes for one period, and why.

    `lines` are a page, or a stream that is read once; in canonical order unless sorted. `matching`
    are the totals of all lines that were searched for, without a count of leads.
    """

    report_id: str
    customer_id: str
    customer_name: str
    period: Period
    timezone: str
    issuer: str
    status: ReportStatus
    rate_card: CardName
    totals: Totals
    parts: Parts
    lines: Iterable[Line]
    notices: list[Notice]
    generated_at: datetime
    matching: Totals = field(default_factory=Totals)
    next_cursor: str | None = None
    finalized_at: datetime | None = None
    content_hash: str | None = None
    previous_hash: str | None = None
    hash_version: int | None = None
    prior_period: list[Line] = field(default_factory=list)
    prior_cards: dict[date, CardName] = field(default_factory=dict)  # by the lines' own month
    credits: list[Credit] = field(default_factory=list)

    @property
    def credit_cents(self) -> int:
        return sum(credit.amount_cents for credit in self.credits)

    @property
    def due_cents(self) -> int:
        """Billed of this period and its prior-period lines, less credits; it may be negative.

        docs/billing-rules.md, Closing a period.
        """
        late = sum(line.billed_cents for line in self.prior_period)
        return self.totals.billed_cents + late - self.credit_cents


def notices_of(totals: Totals, leads_without_user: int) -> list[Notice]:
    """What the reader of a report with these totals should know."""
    if not leads_without_user:
        return []
    return [
        Notice(
            "leads_without_user",
            f"{leads_without_user} of {totals.leads} leads have no user. They are billed under one "
            "fallback user of this customer: their equal actions are duplicates, and they share "
            "one cap. Send a user with each lead to avoid this.",
        )
    ]


def under_cap(lines: Iterable[Line], caps_product: bool) -> Iterable[Line]:
    """Lines of one period, with what its card's cap is of."""
    return (line._replace(caps_product=True) for line in lines) if caps_product else lines


def under_cards(lines: Iterable[Line], cards: Mapping[date, CardName]) -> list[Line]:
    """Lines of several periods, with what the cap of each period's card is of."""
    return [line._replace(caps_product=cards[line.period].caps_product) for line in lines]
