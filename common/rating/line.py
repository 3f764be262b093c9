"""A rated line: one action of a period with its price, outcome and explanation; and sums of lines.

Invariant: gross = billed + duplicate savings + cap savings, in integer cents
(docs/billing-rules.md, Always).
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from functools import reduce
from operator import add
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Row

from common.billing_period import local
from common.enums import EngagementLevel, Outcome, RateKind
from common.money import amount, money
from common.problems import Unpriced

LINES_AT_ONCE = 1_000  # that a statement's answer is read by


class Totals(NamedTuple):
    """Sums over lines. Amounts in cents; `leads` counts those with a line."""

    gross_cents: int = 0
    billed_cents: int = 0
    duplicate_cents: int = 0
    cap_cents: int = 0
    leads: int = 0
    actions: int = 0

    def plus(self, other: "Totals") -> "Totals":
        return Totals._make(map(add, self, other))


def sum_of(totals: Iterable[Totals]) -> Totals:
    """The sum of several totals, of which no two count the same lead."""
    return reduce(Totals.plus, totals, Totals())


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
    caps_each_product: bool = False  # the cap is of its product alone, not of all of the user's
    lead_created_at: datetime | None = None  # of a line in a file

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

    def explanation(self, timezone: str) -> str:
        """What happened and its arithmetic, for the customer, whose zone is `timezone`."""
        price = money(self.gross_cents) + self.rate_name
        match self.outcome:
            case Outcome.BILLED:
                used = f"{amount(self.cap_used_after_cents)} of {self._cap} are now used"
                return f"Charged in full: {price}. {used}{self._shared_cap}."
            case Outcome.DUPLICATE:
                same = "product, action type and level in the same month"
                reason = (
                    f"the same user, {same}"
                    if self.has_user
                    else f"the same {same}; leads without a user count as one user"
                )
                return (
                    f"Not charged; you save {price}. Duplicate of {self.action_type} "
                    f"({self.engagement_level}) of lead {self.duplicate_of_lead_id} on "
                    f"{_moment(self.duplicate_of_timestamp, timezone)}: {reason}."
                )
            case Outcome.PARTIALLY_CAPPED:
                used = f"{amount(self.cap_used_before_cents)} of {self._cap} were already used"
                return (
                    f"Charged in part: {amount(self.billed_cents)} of {price}; you save "
                    f"{money(self.cap_cents)}. {used}{self._shared_cap}."
                )
            case Outcome.CAPPED:
                return (
                    f"Not charged; you save {price}. All of {self._cap} was already used"
                    f"{self._shared_cap}."
                )

    @property
    def _cap(self) -> str:
        product = f" for {self.product_id}" if self.caps_each_product else ""
        whose = "this user's" if self.has_user else "the"
        return f"{whose} {money(self.cap_limit_cents)} monthly cap{product}"

    @property
    def _shared_cap(self) -> str:
        return "" if self.has_user else " (leads without a user share one cap)"

    @property
    def rate_name(self) -> str:
        match self.rate:
            case RateKind.LEAD_TYPE:
                return f" at the rate for {self.lead_type}"
            case RateKind.PRODUCT:
                return f" at the rate for {self.product_id}"
            case RateKind.PRODUCT_AND_LEAD_TYPE:
                return f" at the rate for {self.lead_type} of {self.product_id}"
        return ""


class LineKey(NamedTuple):
    """Where a line stands in canonical order (docs/billing-rules.md, Canonical order)."""

    timestamp: datetime
    lead_created_at: datetime
    lead_id: UUID
    action_key: str
    engagement_level: EngagementLevel
    occurrence: int


def _moment(moment: datetime | None, timezone: str) -> str:
    if moment is None:
        return "an unknown date"
    return f"{local(moment, ZoneInfo(timezone))} {timezone}"


_COLUMNS = len(Line._fields) - 1


def line_of(row: Sequence[Any]) -> Line:
    """The line of a row of a statement, whose first columns are the members of a Line but one."""
    return Line(*row[:_COLUMNS])


def line_of_file(row: Row[Any]) -> Line:
    """The line of a row of a statement that also says when the line's lead was created."""
    return line_of(row)._replace(lead_created_at=row.lead_created_at)


def line_key_parameters(key: LineKey | None) -> dict[str, Any]:
    """The parameters of a statement that goes on behind a place."""
    return {
        "after_timestamp": key and key.timestamp,
        "after_created": key and key.lead_created_at,
        "after_lead": key and str(key.lead_id),
        "after_key": key and key.action_key,
        "after_level": key and key.engagement_level.value,
        "after_occurrence": key and key.occurrence,
    }


def line_key_of(row: Row[Any]) -> LineKey:
    """The place of a row of `named_lines.sql`."""
    return LineKey(
        row.timestamp,
        row.lead_created_at,
        row.lead_id,
        row.action_key,
        EngagementLevel(row.engagement_level),
        row.occurrence,
    )


def require_prices(unpriced: int) -> None:
    """Raises Unpriced if there are actions without a price."""
    if unpriced:
        raise Unpriced(
            f"{unpriced} actions have no price on the rate card in force; "
            "no report is made until they have"
        )


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
