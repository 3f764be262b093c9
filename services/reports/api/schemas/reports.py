"""Reports: the whole of one, and the list of them."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Annotated, TypeVar

from pydantic import Field

from common import identifiers
from common.billing_period import Period
from common.disputes import credits
from common.enums import DisputeReason, DocumentType, EngagementLevel, ReportStatus
from common.rating.line import total_of
from common.rating.periods import PeriodTotals
from common.reports import model
from services.reports.api.schemas.answer import Amount, Answer, Month, Page, of
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
    """The totals of one user; `user` is null for leads without a user and for an erased one."""

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
    """Actions that came after their own period was closed: their totals, and a page of them."""

    totals: Totals
    lines: list[PriorPeriodLine]
    next_cursor: str | None = Field(description="For `/prior-lines`; null when these are all.")

    @classmethod
    def from_report(cls, report: model.Report, most: int) -> "PriorPeriods":
        return cls(
            totals=Totals.model_validate(total_of(report.prior_period)),
            lines=[
                PriorPeriodLine.from_line_and_card(
                    line, report.prior_cards[line.period], report.timezone
                )
                for line in report.prior_period[:most]
            ],
            next_cursor=None,
        )


class Credit(Answer):
    """What a line is billed, credited after an accepted dispute.

    The line is of an earlier report, or of the same one if it was disputed before that was closed.
    """

    dispute_id: str
    reason: DisputeReason
    accepted_at: datetime
    report_id: str = Field(description="The report whose line is credited.")
    report_period: Month
    line_number: int | None = Field(description="Null while the line stands on this draft.")
    lead_id: str
    action_id: str
    action_type: str
    engagement_level: EngagementLevel
    amount: Amount = of("amount_cents", description="Below zero.")
    explanation: str

    @classmethod
    def from_credit(cls, credit: credits.Credit, timezone: str) -> "Credit":
        explained = {"explanation": credit.explanation(timezone)}
        return cls.model_validate(credit._asdict() | explained)


class Credits(Answer):
    """The credits on a report and their sum, which is zero or less."""

    total: Amount
    lines: list[Credit]


class Warning(Answer):
    """Something that the reader of a report should know: a stable code and a sentence."""

    code: str
    detail: str


class LinePage(Page[Line]):
    """A page of a report's own lines, in canonical order."""


class PriorLinePage(Page[PriorPeriodLine]):
    """A page of a report's prior-period lines, by month and in canonical order."""


class UserPage(Page[UserTotals]):
    """A page of a report's users, the largest first."""


class LeadPage(Page[LeadTotals]):
    """A page of a report's leads, the largest first."""


class UnitPrice(Answer):
    """What an action of a level costs before savings; of any product and lead type if null."""

    product_id: str | None
    lead_type: str | None
    engagement_level: EngagementLevel
    amount: Amount = of("amount_cents")


class Report(Answer):
    """What one customer owes for one period, and why.

    Totals, products and lead types cover the whole month. Of users, leads and lines it holds the
    first page; each `next_..cursor` goes on at `/users`, `/leads` and `/lines`, and is null when
    there is nothing more.
    """

    report_id: str
    customer_id: str
    customer_name: str
    period: str
    timezone: str
    issuer: str = Field(description="Who bills.")
    issuer_address: str | None
    issuer_tax_id: str | None
    customer_address: str | None = Field(description="Its billing address.")
    customer_tax_id: str | None
    document_type: DocumentType = Field(
        description="An invoice where the issuer's address and a number pattern are set."
    )
    number: str | None = Field(description="Of the statement, without gaps; null on a draft.")
    issue_date: date | None = Field(description="The day it was closed, in the customer's zone.")
    payment_terms_days: int | None
    due_date: date | None = Field(description="The issue date and the payment terms.")
    unit_prices: list[UnitPrice]
    status: ReportStatus
    rate_card: RateCardName
    totals: Totals
    due: Annotated[
        Amount, Field(description="Billed, with prior periods and credits; may be negative.")
    ]
    prior_period: PriorPeriods
    credits: Credits
    by_product: list[ProductTotals]
    by_lead_type: list[LeadTypeTotals]
    by_user: list[UserTotals] = Field(description="The largest 100.")
    user_count: int = Field(description="How many users there are in all.")
    next_users_cursor: str | None = Field(description="For `/users`.")
    by_lead: list[LeadTotals] = Field(description="The largest 100.")
    lead_count: int = Field(description="How many leads there are in all.")
    next_leads_cursor: str | None = Field(description="For `/leads`.")
    lines: list[Line]
    next_cursor: str | None = Field(description="For `/lines`.")
    warnings: list[Warning]
    generated_at: datetime
    finalized_at: datetime | None
    dispute_until: datetime | None = Field(
        description="When the dispute window of a final report ends. Until it is closed, its lines "
        "can be disputed from the day they arrive."
    )
    hash_version: int | None = Field(description="How `content_hash` is made; null without one.")
    content_hash: str | None
    previous_hash: str | None
    signature: str | None = Field(
        description="JWS, detached, over the content hash and who bills whom for what; null while "
        "the report is not signed (docs/verification.md)."
    )
    head: str | None = Field(description="The first signed head with this report, in short form.")

    @classmethod
    def from_report(cls, report: model.Report, most_prior: int) -> "Report":
        """A report with its page of lines, at most so many prior-period lines, and no cursors."""
        return cls(
            report_id=report.report_id,
            customer_id=report.customer_id,
            customer_name=report.customer_name,
            period=str(report.period),
            timezone=report.timezone,
            issuer=report.issuer,
            issuer_address=report.details.issuer_address,
            issuer_tax_id=report.details.issuer_tax_id,
            customer_address=report.details.customer_address,
            customer_tax_id=report.details.customer_tax_id,
            document_type=report.details.document_type,
            number=report.details.number,
            issue_date=report.details.issue_date,
            payment_terms_days=report.details.payment_terms_days,
            due_date=report.details.due_date,
            unit_prices=[UnitPrice.model_validate(price) for price in report.details.unit_prices],
            status=report.status,
            rate_card=RateCardName.model_validate(report.rate_card),
            totals=Totals.model_validate(report.totals),
            due=report.due_cents,
            prior_period=PriorPeriods.from_report(report, most_prior),
            credits=Credits(
                total=report.credit_cents,
                lines=[Credit.from_credit(credit, report.timezone) for credit in report.credits],
            ),
            by_product=breakdown(ProductTotals, report.parts.by_product),
            by_lead_type=breakdown(LeadTypeTotals, report.parts.by_lead_type),
            by_user=breakdown(UserTotals, report.parts.by_user),
            user_count=report.parts.user_count,
            next_users_cursor=None,
            by_lead=breakdown(LeadTotals, report.parts.by_lead),
            lead_count=report.parts.lead_count,
            next_leads_cursor=None,
            lines=[Line.from_line(line, report.timezone) for line in report.lines],
            next_cursor=None,
            warnings=[Warning.model_validate(notice) for notice in report.notices],
            generated_at=report.generated_at,
            finalized_at=report.finalized_at,
            dispute_until=report.dispute_until,
            hash_version=report.hash_version,
            content_hash=report.content_hash,
            previous_hash=report.previous_hash,
            signature=report.seal.signature,
            head=report.seal.head,
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
    def from_entry(cls, entry: PeriodTotals) -> "ReportEntry":
        period = str(Period(entry.period))
        return cls(
            report_id=str(identifiers.report_id(entry.customer_id, period)),
            customer_id=entry.customer,
            customer_name=entry.customer_name,
            period=period,
            timezone=entry.timezone,
            status=entry.status,
            totals=Totals.model_validate(entry.totals),
            due=entry.due_cents,
        )


class ReportList(Answer):
    """A page of the list of reports, with the totals over all pages."""

    data: list[ReportEntry]
    totals: Totals
    due: _Due
    next_cursor: str | None


Part = TypeVar("Part", ProductTotals, LeadTypeTotals, UserTotals, LeadTotals)


def breakdown(kind: type[Part], groups: Iterable[model.Group]) -> list[Part]:
    """Groups of a report as answers of a kind."""
    return [
        kind(
            **{name: group.members[name] for name in kind.model_fields if name in group.members},
            totals=Totals.model_validate(group.totals),
        )
        for group in groups
    ]
