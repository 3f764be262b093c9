"""A report's lines for a spreadsheet."""

import csv
import io
from collections.abc import Iterator
from itertools import chain

from common.billing_period import Period, instant
from common.disputes.credit import Credit
from common.money import CURRENCY, amount
from common.rating.line import Line
from common.reports.model import Report

MEDIA_TYPE = "text/csv; charset=utf-8"
COLUMNS = [
    "period",
    "timestamp",
    "lead_id",
    "product_id",
    "lead_type",
    "user",
    "action_type",
    "engagement_level",
    "outcome",
    "currency",
    "gross",
    "billed",
    "duplicate_saving",
    "cap_saving",
    "cap_used_before",
    "duplicate_of_lead_id",
    "duplicate_of_action_id",
    "action_id",
    "explanation",
    "credit",
    "dispute_id",
    "user_key",
    "rate",
    "cap_used_after",
    "cap_limit",
    "report_period",
    "report_status",
]
_LINES_AT_ONCE = 500
_BYTE_ORDER_MARK = "\ufeff"  # without it, spreadsheets do not recognise UTF-8
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def render(report: Report) -> Iterator[bytes]:
    """A row for each line, then for each credit, in pieces: due is all `billed` less `credit`."""
    piece = io.StringIO()
    rows = csv.writer(piece)
    piece.write(_BYTE_ORDER_MARK)
    rows.writerow(COLUMNS)
    for number, line in enumerate(chain(report.prior_period, report.lines), start=1):
        rows.writerow([_without_formula(cell) for cell in _row(line, report)])
        if number % _LINES_AT_ONCE == 0:
            yield piece.getvalue().encode()
            piece.seek(0)
            piece.truncate()
    for credit in report.credits:
        rows.writerow([_without_formula(cell) for cell in _credit_row(credit, report)])
    yield piece.getvalue().encode()


def _row(line: Line, report: Report) -> list[str]:
    return [
        str(Period(line.period)),
        instant(line.timestamp),
        line.lead_id,
        line.product_id,
        line.lead_type,
        line.user or "",
        line.action_type,
        line.engagement_level,
        line.outcome.value,
        CURRENCY,
        amount(line.gross_cents),
        amount(line.billed_cents),
        amount(line.duplicate_cents),
        amount(line.cap_cents),
        amount(line.cap_used_before_cents),
        line.duplicate_of_lead_id or "",
        line.duplicate_of_action_id or "",
        line.action_id,
        line.explanation,
        "",
        "",
        line.user_key,
        line.rate,
        amount(line.cap_used_after_cents),
        amount(line.cap_limit_cents),
        str(report.period),
        report.status.value,
    ]


def _credit_row(credit: Credit, report: Report) -> list[str]:
    cells = {
        "period": str(Period(credit.report_period)),
        "timestamp": instant(credit.accepted_at),
        "lead_id": credit.lead_id,
        "action_type": credit.action_type,
        "engagement_level": credit.engagement_level,
        "outcome": "credit",
        "currency": CURRENCY,
        "action_id": credit.action_id,
        "explanation": credit.explanation,
        "credit": amount(credit.amount_cents),
        "dispute_id": credit.dispute_id,
        "report_period": str(report.period),
        "report_status": report.status.value,
    }
    return [cells.get(column, "") for column in COLUMNS]


def _without_formula(cell: str) -> str:
    """The cell as text, never as a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell
