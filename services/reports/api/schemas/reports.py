"""Reports: the whole of one, and the list of them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, TypeVar

from pydantic import Field

from common import identifiers
from common.billing_period import Period
from common.disputes import credit as disputes
from common.enums import DisputeReason, EngagementLevel, ReportStatus
from common.money import amount
from common.rating.line import total_of
from common.rating.period_totals import Entry
from common.reports import model
from services.reports.api.schemas.answer import Amount, Answer
from services.reports.api.schemas.lines import Line, PriorPeriodLine, RateCardName
from services.reports.api.schemas.totals import Totals


class ProductTotals(Answer):
    """The totals of one product."""

    product_id: str
    name: str
    totals: Totals


class LeadTypeTotals(Answer):
    """The totals of one lead type."""

    lead_type: str
    totals: Totals


class UserTotals(Answer):
    """The totals of one user; `user` is null for leads without a user."""

    user: str | None
    user_key: str
    totals: Totals


class LeadTotals(Answer):
    """The totals of one lead."""

    lead_id: str
    product_id: str
    lead_type: str
    user: str | None
    totals: Totals


class PriorPeriods(Answer):
    """Actions that came after their own period was closed."""

    totals: Totals
    lines: list[PriorPeriodLine]

    @classmethod
    def from_report(cls, report: model.Report) -> "PriorPeriods":
        return cls(
            totals=Totals.from_totals(total_of(report.prior_period)),
            lines=[
                PriorPeriodLine.from_line_and_card(line, report.prior_cards[line.period])
                for line in report.prior_period
            ],
        )


class Credit(Answer):
    """What a line of an earlier report had billed, credited after an accepted dispute."""

    dispute_id: str
    reason: DisputeReason
    accepted_at: datetime
    report_id: str = Field(description="The report whose line is credited.")
    report_period: str
    line_number: int
    lead_id: str
    action_id: str
    action_type: str
    engagement_level: EngagementLevel
    amount: Amount
    explanation: str

    @classmethod
    def from_credit(cls, credit: disputes.Credit) -> "Credit":
        return cls(
            dispute_id=credit.dispute_id,
            reason=credit.reason,
            accepted_at=credit.accepted_at,
            report_id=credit.report_id,
            report_period=str(Period(credit.report_period)),
            line_number=credit.line_number,
            lead_id=credit.lead_id,
            action_id=credit.action_id,
            action_type=credit.action_type,
            engagement_level=EngagementLevel(credit.engagement_level),
            amount=amount(credit.amount_cents),
            explanation=credit.explanation,
        )


class Credits(Answer):
    """The credits on a report and their sum."""

    total: Amount
    lines: list[Credit]


class Warning(Answer):
    """Something that the reader of a report should know: a stable code and a sentence."""

    code: str
    detail: str


class Report(Answer):
    """What one customer owes for one period, and why."""

    report_id: str
    customer_id: str
    customer_name: str
    period: str
    timezone: str
    issuer: str = Field(description="Who bills.")
    status: ReportStatus
    rate_card: RateCardName
    totals: Totals
    due: Annotated[
        Amount, Field(description="Billed, with prior periods, less credits; may be negative.")
    ]
    prior_period: PriorPeriods
    credits: Credits
    by_product: list[ProductTotals]
    by_lead_type: list[LeadTypeTotals]
    by_user: list[UserTotals]
    by_lead: list[LeadTotals]
    lines: list[Line]
    next_cursor: str | None
    warnings: list[Warning]
    generated_at: datetime
    finalized_at: datetime | None
    hash_version: int | None = Field(description="How `content_hash` is made; null without one.")
    content_hash: str | None
    previous_hash: str | None

    @classmethod
    def without_lines(cls, report: model.Report) -> "Report":
        """All of a report but its lines, which may be a stream."""
        return cls(
            report_id=report.report_id,
            customer_id=report.customer_id,
            customer_name=report.customer_name,
            period=str(report.period),
            timezone=report.timezone,
            issuer=report.issuer,
            status=report.status,
            rate_card=RateCardName.from_card(report.rate_card),
            totals=Totals.from_totals(report.totals),
            due=amount(report.due_cents),
            prior_period=PriorPeriods.from_report(report),
            credits=Credits(
                total=amount(report.credit_cents),
                lines=[Credit.from_credit(credit) for credit in report.credits],
            ),
            by_product=_breakdown(ProductTotals, report.parts.by_product),
            by_lead_type=_breakdown(LeadTypeTotals, report.parts.by_lead_type),
            by_user=_breakdown(UserTotals, report.parts.by_user),
            by_lead=_breakdown(LeadTotals, report.parts.by_lead),
            lines=[],
            next_cursor=report.next_cursor,
            warnings=[Warning(**notice._asdict()) for notice in report.notices],
            generated_at=report.generated_at,
            finalized_at=report.finalized_at,
            hash_version=report.hash_version,
            content_hash=report.content_hash,
            previous_hash=report.previous_hash,
        )


_Due = Annotated[
    Amount | None,
    Field(
        description="Of the whole report; null where `from` or `to` shows a part of it.",
        examples=["12.00"],
    ),
]


class ReportEntry(Answer):
    """One customer's period in the list of reports."""

    report_id: str
    customer_id: str
    customer_name: str
    period: str
    timezone: str
    status: ReportStatus
    totals: Totals
    due: _Due

    @classmethod
    def from_entry(cls, entry: Entry) -> "ReportEntry":
        period = str(Period(entry.period))
        return cls(
            report_id=str(identifiers.report_id(entry.customer_id, period)),
            customer_id=entry.customer,
            customer_name=entry.customer_name,
            period=period,
            timezone=entry.timezone,
            status=entry.status,
            totals=Totals.from_totals(entry.totals),
            due=None if entry.due_cents is None else amount(entry.due_cents),
        )


class ReportList(Answer):
    """A page of the list of reports, with the totals over all pages."""

    data: list[ReportEntry]
    totals: Totals
    due: _Due
    next_cursor: str | None


Part = TypeVar("Part", ProductTotals, LeadTypeTotals, UserTotals, LeadTotals)


def _breakdown(kind: type[Part], groups: Iterable[model.Group]) -> list[Part]:
    return [kind(**group.members, totals=Totals.from_totals(group.totals)) for group in groups]
