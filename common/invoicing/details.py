"""What makes a report a statement to pay: its number, dates, terms, parties and unit prices.

Invariant: closing freezes all of it with the final report, and its hash covers it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from common.catalog.models import Customer
from common.enums import DocumentType
from common.final_reports.models import BillingReport
from common.number_pattern import DEFAULT_PATTERN, NumberParts, parts_of
from common.settings import settings


class UnitPrice(NamedTuple):
    """The price in cents of an action of a level; of any product and lead type where null."""

    product_id: str | None
    lead_type: str | None
    engagement_level: str
    amount_cents: int


@dataclass(frozen=True, slots=True)
class StatementDetails:
    """What a statement says besides its amounts. A draft has no number and no dates."""

    document_type: DocumentType = DocumentType.STATEMENT
    number: str | None = None
    issue_date: date | None = None
    payment_terms_days: int | None = None
    due_date: date | None = None
    issuer_address: str | None = None
    issuer_tax_id: str | None = None
    customer_address: str | None = None
    customer_tax_id: str | None = None
    unit_prices: tuple[UnitPrice, ...] = ()

    @property
    def title(self) -> str:
        return "Invoice" if self.document_type is DocumentType.INVOICE else "Statement"

    @property
    def terms(self) -> str:
        """For people: "30 days", or "due on receipt"."""
        if self.payment_terms_days is None:
            return "none"
        if self.payment_terms_days == 0:
            return "due on receipt"
        return "1 day" if self.payment_terms_days == 1 else f"{self.payment_terms_days} days"


def document_type() -> DocumentType:
    """What is issued: an invoice once the issuer's address and a number pattern are set."""
    current = settings()
    is_invoice = current.report_issuer_address and current.statement_number_pattern
    return DocumentType.INVOICE if is_invoice else DocumentType.STATEMENT


def number_parts(period: date, customer: str) -> NumberParts:
    """The texts around the number of a customer's statement, by the configured pattern."""
    return parts_of(settings().statement_number_pattern or DEFAULT_PATTERN, period, customer)


def details_of(report: BillingReport) -> StatementDetails:
    """What a final report says, as it was closed."""
    return StatementDetails(
        DocumentType(report.document_type),
        report.number,
        report.issue_date,
        report.payment_terms_days,
        report.due_date,
        report.issuer_address,
        report.issuer_tax_id,
        report.customer_address,
        report.customer_tax_id,
        _unit_prices(report.unit_prices),
    )


def draft_details(
    customer: Customer, prices: list[list[Any]], product_ids: Collection[str]
) -> StatementDetails:
    """What the statement would say if it were closed now, without its number and dates.

    `prices` are all of its card's; those of other products than `product_ids` are left out.
    """
    current = settings()
    shown = [price for price in prices if price[0] is None or price[0] in product_ids]
    return StatementDetails(
        document_type(),
        payment_terms_days=customer.payment_terms_days,
        issuer_address=current.report_issuer_address or None,
        issuer_tax_id=current.report_issuer_tax_id or None,
        customer_address=customer.billing_address,
        customer_tax_id=customer.tax_id,
        unit_prices=_unit_prices(shown),
    )


def _unit_prices(stored: list[list[Any]]) -> tuple[UnitPrice, ...]:
    return tuple(UnitPrice(*price) for price in stored)
