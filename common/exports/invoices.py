"""Final reports as invoices for accounting: a line for each product, and what is carried over.

Invariant: the lines of an invoice add up to what its report is due. A draft is no invoice.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from common.billing_period import Period
from common.exports.table import Column, Kind, Table
from common.money import CURRENCY
from common.rating.periods import PeriodTotals
from common.reports.final import final_report
from common.reports.model import Report
from common.reports.months import find_month


class InvoiceTerms(NamedTuple):
    """How an invoice is named, and by when it is paid."""

    number: str
    issued_on: date
    due_on: date
    terms: str


class InvoiceLine(NamedTuple):
    """One line of an invoice. Amounts in cents; a credit is negative."""

    item: str
    description: str
    amount_cents: int


class Invoice(NamedTuple):
    """What one customer is to pay for one month."""

    customer_id: str
    customer_name: str
    email: str
    report_id: str
    period: Period
    terms: InvoiceTerms
    lines: list[InvoiceLine]


def terms_of(report: Report) -> InvoiceTerms:
    """The number, dates and terms that a final report was closed with."""
    details = report.details
    issued_on = details.issue_date or report.generated_at.date()
    days = details.payment_terms_days or 0
    terms = f"Net {days}" if days else "Due on receipt"
    return InvoiceTerms(
        details.number or report.report_id, issued_on, details.due_date or issued_on, terms
    )


def invoices_of(session: Session, entries: list[PeriodTotals]) -> Iterator[Invoice]:
    """The invoices of final reports; a report that has nothing to pay or to credit has none."""
    for entry in entries:
        month = find_month(session, entry.customer, Period(entry.period))
        report, _ = final_report(session, month, limit=1)
        lines = [line for line in _lines(report) if line.amount_cents]
        if lines:
            yield Invoice(
                report.customer_id,
                report.customer_name,
                month.customer.billing_email or month.customer.email,
                report.report_id,
                report.period,
                terms_of(report),
                lines,
            )


def _lines(report: Report) -> Iterator[InvoiceLine]:
    month = report.period.name
    for group in report.parts.by_product:
        totals = group.totals
        actions = f"{totals.actions} action" + ("" if totals.actions == 1 else "s")
        description = f"{group.members['name']}, {month}: {actions}"
        yield InvoiceLine(group.members["product_id"], description, totals.billed_cents)
    prior = sum(line.billed_cents for line in report.prior_period)
    yield InvoiceLine("Earlier months", f"Late activity of earlier months, {month}", prior)
    yield InvoiceLine("Credits", f"Credits for accepted disputes, {month}", report.credit_cents)


INVOICE_COLUMNS = (
    Column("customer_id", Kind.TEXT),
    Column("customer_name", Kind.TEXT),
    Column("report_id", Kind.CODE),
    Column("period", Kind.CODE),
    Column("invoice_number", Kind.TEXT),
    Column("invoice_date", Kind.DATE),
    Column("due_date", Kind.DATE),
    Column("terms", Kind.TEXT),
    Column("line_number", Kind.COUNT),
    Column("item", Kind.TEXT),
    Column("description", Kind.TEXT),
    Column("currency", Kind.CODE),
    Column("amount", Kind.AMOUNT),
)


def invoice_table(invoices: Iterator[Invoice]) -> Table:
    """A row for each line of each invoice."""

    def rows() -> Iterator[tuple[Any, ...]]:
        for invoice in invoices:
            for number, line in enumerate(invoice.lines, start=1):
                yield (
                    invoice.customer_id,
                    invoice.customer_name,
                    invoice.report_id,
                    str(invoice.period),
                    *invoice.terms,
                    number,
                    line.item,
                    line.description,
                    CURRENCY,
                    line.amount_cents,
                )

    return Table(INVOICE_COLUMNS, rows())
