"""A report: what one customer owes for one period, and why."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple

from common.billing_period import Period
from common.disputes.credits import Credit
from common.enums import ReportStatus
from common.final_reports.models import NOT_SEALED, SealedReport
from common.invoicing.details import StatementDetails
from common.rating.line import Line, Totals
from common.rating.rate_cards import CardInForce

MAX_GROUPS = 100  # users and leads that a report itself names, the largest of them


@dataclass(frozen=True, slots=True)
class Group:
    """A part of a report: the members that name it, and its totals."""

    members: dict[str, Any]
    totals: Totals


class Notice(NamedTuple):
    """Something about a report that its reader should know: a stable code and a sentence."""

    code: str
    detail: str


class Parts(NamedTuple):
    """A report's breakdowns: all products and lead types, and the largest users and leads.

    Each adds up to the report's totals, where it holds all of its groups.
    """

    by_product: list[Group]
    by_lead_type: list[Group]
    by_user: list[Group]
    by_lead: list[Group]
    user_count: int = 0
    lead_count: int = 0


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
    details: StatementDetails
    status: ReportStatus
    rate_card: CardInForce
    totals: Totals
    parts: Parts
    lines: Iterable[Line]
    generated_at: datetime
    leads_without_user: int = 0
    leads_in_doubt: int = 0
    matching: Totals = field(default_factory=Totals)
    next_cursor: str | None = None
    finalized_at: datetime | None = None
    dispute_until: datetime | None = None  # of a final report
    content_hash: str | None = None
    previous_hash: str | None = None
    hash_version: int | None = None
    seal: SealedReport = NOT_SEALED
    prior_period: list[Line] = field(default_factory=list)
    prior_cards: dict[date, CardInForce] = field(default_factory=dict)  # by the lines' own month
    credits: list[Credit] = field(default_factory=list)

    @property
    def credit_cents(self) -> int:
        """The sum of the credits: zero or less."""
        return sum(credit.amount_cents for credit in self.credits)

    @property
    def due_cents(self) -> int:
        """Billed of this period and its prior-period lines, and credits; it may be negative.

        docs/billing-rules.md, Closing a period.
        """
        late = sum(line.billed_cents for line in self.prior_period)
        return self.totals.billed_cents + late + self.credit_cents

    @property
    def notices(self) -> list[Notice]:
        """What the reader should know."""
        notices = []
        if self.leads_without_user:
            notices.append(
                Notice(
                    "leads_without_user",
                    f"{self.leads_without_user} of {self.totals.leads} leads have no user. They "
                    "are billed as one user of this customer: the same action twice counts once, "
                    "even if two people did it, and they share one cap. Send a user with each "
                    "lead to avoid this.",
                )
            )
        if self.leads_in_doubt:
            notices.append(
                Notice(
                    "leads_in_doubt",
                    f"{self.leads_in_doubt} of the leads name their user by a value that is not "
                    "usable, such as an email that could receive no mail or a phone number "
                    "without digits. The value is left out: the user is told from others by what "
                    "else the lead names.",
                )
            )
        return notices
