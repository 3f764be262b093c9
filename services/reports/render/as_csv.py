"""A report's lines for a spreadsheet."""

import csv
import io
from collections.abc import Iterator

from common.billing_period import Period, instant
from common.disputes.credits import Credit
from common.formulas import without_formula
from common.money import CURRENCY, amount
from common.rating.line import Line
from common.reports.lines import LineFile

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
    "dispute_id",
    "user_key",
    "rate",
    "cap_used_after",
    "cap_limit",
    "report_period",
    "report_status",
    "statement_number",
    "issue_date",
    "due_date",
]
_LINES_AT_ONCE = 500
BYTE_ORDER_MARK = "\ufeff"  # without it, spreadsheets do not recognise UTF-8


def render(file: LineFile) -> Iterator[bytes]:
    """A row for each line, then for each credit, in pieces: due is the sum of `billed`.

    The last row of a signed report holds its content hash and signature.
    """
    piece = io.StringIO()
    rows = csv.writer(piece)
    piece.write(BYTE_ORDER_MARK)
    rows.writerow(COLUMNS)
    for number, line in enumerate(file.lines, start=1):
        rows.writerow([without_formula(cell) for cell in _row(line, file)])
        if number % _LINES_AT_ONCE == 0:
            yield piece.getvalue().encode()
            piece.seek(0)
            piece.truncate()
    for credit in file.credits:
        rows.writerow([without_formula(cell) for cell in _credit_row(credit, file)])
    if file.signature is not None:
        rows.writerow(_signature_row(file))
    yield piece.getvalue().encode()


def _row(line: Line, file: LineFile) -> list[str]:
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
        line.explanation(file.timezone),
        "",
        line.user_key,
        line.rate,
        amount(line.cap_used_after_cents),
        amount(line.cap_limit_cents),
        str(file.period),
        file.status.value,
        *_statement_cells(file),
    ]


def _credit_row(credit: Credit, file: LineFile) -> list[str]:
    cells = {
        "period": str(Period(credit.report_period)),
        "timestamp": instant(credit.accepted_at),
        "lead_id": credit.lead_id,
        "action_type": credit.action_type,
        "engagement_level": credit.engagement_level,
        "outcome": "credit",
        "currency": CURRENCY,
        "billed": amount(credit.amount_cents),
        "action_id": credit.action_id,
        "explanation": credit.explanation(file.timezone),
        "dispute_id": credit.dispute_id,
        "report_period": str(file.period),
        "report_status": file.status.value,
    }
    cells |= dict(zip(COLUMNS[-3:], _statement_cells(file), strict=True))
    return [cells.get(column, "") for column in COLUMNS]


def _signature_row(file: LineFile) -> list[str]:
    cells = {
        "outcome": "signature",
        "explanation": f"content hash {file.content_hash}, signature {file.signature}",
        "report_period": str(file.period),
        "report_status": file.status.value,
    }
    cells |= dict(zip(COLUMNS[-3:], _statement_cells(file), strict=True))
    return [cells.get(column, "") for column in COLUMNS]


def _statement_cells(file: LineFile) -> list[str]:
    """Number and dates of the statement, which a draft does not have."""
    return [str(cell or "") for cell in (file.number, file.issue_date, file.due_date)]
