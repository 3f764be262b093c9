"""Invoices in the columns that accounting programs import.

Each line is one piece at its
amount: what is billed is no multiple of a price once duplicates and caps are taken off.
"""

from collections.abc import Callable, Iterator
from typing import Any

from common.exports.invoices import Invoice, InvoiceLine
from common.exports.table import Column, Kind, Table
from common.money import CURRENCY

_Row = Callable[[Invoice, InvoiceLine], tuple[Any, ...]]

# QuickBooks Online, "Import invoices".
_QUICKBOOKS = (
    Column("*InvoiceNo", Kind.TEXT),
    Column("*Customer", Kind.TEXT),
    Column("*InvoiceDate", Kind.DATE),
    Column("*DueDate", Kind.DATE),
    Column("Terms", Kind.TEXT),
    Column("Memo", Kind.TEXT),
    Column("Item(Product/Service)", Kind.TEXT),
    Column("ItemDescription", Kind.TEXT),
    Column("ItemQuantity", Kind.COUNT),
    Column("ItemRate", Kind.AMOUNT),
    Column("*ItemAmount", Kind.AMOUNT),
    Column("Currency", Kind.CODE),
    Column("Service Date", Kind.DATE),
)
# Xero, "Import sales invoices". A column without values keeps its place.
_XERO = (
    Column("*ContactName", Kind.TEXT),
    Column("EmailAddress", Kind.TEXT),
    Column("POAddressLine1", Kind.TEXT),
    Column("POAddressLine2", Kind.TEXT),
    Column("POAddressLine3", Kind.TEXT),
    Column("POAddressLine4", Kind.TEXT),
    Column("POCity", Kind.TEXT),
    Column("PORegion", Kind.TEXT),
    Column("POPostalCode", Kind.TEXT),
    Column("POCountry", Kind.TEXT),
    Column("*InvoiceNumber", Kind.TEXT),
    Column("Reference", Kind.TEXT),
    Column("*InvoiceDate", Kind.DATE),
    Column("*DueDate", Kind.DATE),
    Column("Total", Kind.AMOUNT),
    Column("InventoryItemCode", Kind.TEXT),
    Column("*Description", Kind.TEXT),
    Column("*Quantity", Kind.COUNT),
    Column("*UnitAmount", Kind.AMOUNT),
    Column("Discount", Kind.AMOUNT),
    Column("*AccountCode", Kind.TEXT),
    Column("*TaxType", Kind.TEXT),
    Column("TaxAmount", Kind.AMOUNT),
    Column("TrackingName1", Kind.TEXT),
    Column("TrackingOption1", Kind.TEXT),
    Column("TrackingName2", Kind.TEXT),
    Column("TrackingOption2", Kind.TEXT),
    Column("Currency", Kind.CODE),
    Column("BrandingTheme", Kind.TEXT),
)
_MAX_QUICKBOOKS_NUMBER = 21
# The names that a new organisation of Xero has; the import lets its user choose others.
_XERO_SALES_ACCOUNT = "200"
_XERO_NO_TAX = "Tax Exempt"


def quickbooks_table(invoices: Iterator[Invoice]) -> Table:
    """A row for each line, for QuickBooks Online."""

    def row(invoice: Invoice, line: InvoiceLine) -> tuple[Any, ...]:
        return (
            _number(invoice),
            invoice.customer_name,
            invoice.terms.issued_on,
            invoice.terms.due_on,
            invoice.terms.terms,
            f"Statement {invoice.terms.number}",
            line.item,
            line.description,
            1,
            line.amount_cents,
            line.amount_cents,
            CURRENCY,
            invoice.period.start,
        )

    return Table(_QUICKBOOKS, _rows(invoices, row))


def xero_table(invoices: Iterator[Invoice]) -> Table:
    """A row for each line, for Xero."""

    def row(invoice: Invoice, line: InvoiceLine) -> tuple[Any, ...]:
        values = {
            "*ContactName": invoice.customer_name,
            "EmailAddress": invoice.email,
            "*InvoiceNumber": invoice.terms.number,
            "Reference": f"Report {invoice.report_id}",
            "*InvoiceDate": invoice.terms.issued_on,
            "*DueDate": invoice.terms.due_on,
            "*Description": line.description,
            "*Quantity": 1,
            "*UnitAmount": line.amount_cents,
            "*AccountCode": _XERO_SALES_ACCOUNT,
            "*TaxType": _XERO_NO_TAX,
            "Currency": CURRENCY,
        }
        return tuple(values.get(column.name) for column in _XERO)

    return Table(_XERO, _rows(invoices, row))


def _number(invoice: Invoice) -> str:
    """The number if QuickBooks takes one so long, else the first digits of the report's id.

    A number that is cut could be that of another invoice.
    """
    if len(invoice.terms.number) <= _MAX_QUICKBOOKS_NUMBER:
        return invoice.terms.number
    return invoice.report_id.replace("-", "")[:_MAX_QUICKBOOKS_NUMBER]


def _rows(invoices: Iterator[Invoice], row: _Row) -> Iterator[tuple[Any, ...]]:
    return (row(invoice, line) for invoice in invoices for line in invoice.lines)
