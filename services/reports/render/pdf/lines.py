"""The second part of a statement: every line, then the credits, in tables across wide pages."""

from collections.abc import Iterator
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from common.billing_period import Period, local
from common.enums import Outcome
from common.money import CURRENCY
from common.rating.line import Line, Totals, total_of
from common.reports.model import Report
from services.reports.render.formatting import counted, money, user_with_key
from services.reports.render.pdf.paper import INK, MARGIN, QUIET, Paper

_ROW = 3.2
_LINE_SIZE = 6.6
_PRIOR_TITLE = "Prior periods: actions that arrived after their month was closed"


class _Column(NamedTuple):
    """A column of the lines; an amount ends at its right."""

    name: str
    left: float
    width: float
    is_amount: bool = False

    @property
    def right(self) -> float:
        return self.left + self.width


_COLUMNS = (
    _Column("No.", 15, 11),
    _Column("Time", 26, 28),
    _Column("Lead", 54, 48),
    _Column("Product", 102, 25),
    _Column("Lead type", 127, 21),
    _Column("User, masked", 148, 37),
    _Column("What happened", 185, 49),
    _Column("Gross, {currency}", 234, 16, is_amount=True),
    _Column("Saved", 250, 16, is_amount=True),
    _Column("Billed", 266, 16, is_amount=True),
)


def draw_lines(paper: Paper, report: Report) -> Iterator[int]:
    """Draws every line, those of prior periods last, and yields the number of each."""
    number = 0
    for title, lines, totals in (
        (f"Lines of {report.period.name}", report.lines, report.totals),
        (_PRIOR_TITLE, report.prior_period, total_of(report.prior_period)),
    ):
        if totals.actions:
            _begin_section(paper, title)
            _draw_section_head(paper, report, title)
            for line in lines:
                number += 1
                _draw_line(paper, report, number, line, title)
                yield number
            _draw_sum(paper, report, totals, title)
    if report.credits:
        _draw_credits(paper, report)
    if not number:
        text = f"No lead of this customer had an action in {report.period.name}."
        paper.draw_paragraph("Lines", text)
    if paper.letters.has_numbered:
        paper.draw_paragraph(
            "Characters",
            "A character that no font of this document has is shown by its Unicode number, such as "
            "[U+1F600]. The CSV and JSON of this report contain the character itself.",
        )


def _begin_section(paper: Paper, title: str) -> None:
    """Begins a section in the document's outline: below the last one, or on a new wide page."""
    if paper.is_wide and paper.y + 40 <= paper.bottom:
        paper.y += 6
    else:
        paper.add_page("landscape")
    paper.pdf.start_section(paper.letters.shown(title))


def _draw_section_head(paper: Paper, report: Report, title: str) -> None:
    paper.put(MARGIN, 5, title, size=11, bold=True)
    paper.put(paper.right, 5, f"times in {report.timezone}", size=8, colour=QUIET, align="right")
    paper.y += 8
    for column in _COLUMNS:
        name = column.name.format(currency=CURRENCY)
        if column.is_amount:
            paper.put(column.right, 3, name, size=7, colour=QUIET, align="right")
        else:
            paper.put(column.left, 3, name, size=7, colour=QUIET)
    paper.y += 4.2
    paper.draw_rule(MARGIN, paper.right)
    paper.pdf.set_line_width(0.08)
    paper.y += 0.4


def _draw_line(paper: Paper, report: Report, number: int, line: Line, title: str) -> None:
    cells = (
        f"{number:,}",
        local(line.timestamp, paper.zone),
        line.lead_id,
        line.product_id,
        line.lead_type,
        user_with_key(line.user, line.has_user, line.user_key),
        _what_happened(line, report.period, paper.zone),
        money(line.gross_cents),
        money(line.duplicate_cents + line.cap_cents),
        money(line.billed_cents),
    )
    wrapped = [
        [text]
        if column.is_amount
        else paper.letters.wrapped(text, column.width - 2, size=_LINE_SIZE)
        for column, text in zip(_COLUMNS, cells, strict=True)
    ]
    height = _ROW * max(map(len, wrapped)) + 0.8
    if paper.y + height > paper.bottom:
        paper.add_page("landscape")
        _draw_section_head(paper, report, f"{title}, continued")
    for column, texts in zip(_COLUMNS, wrapped, strict=True):
        colour = INK if line.billed_cents or not column.is_amount else QUIET
        if column.is_amount:
            _put_amount(paper, column, 2.8, texts[0], size=_LINE_SIZE, colour=colour)
        else:
            paper.put_rows(column.left, 2.8, texts, _ROW, size=_LINE_SIZE)
    paper.y += height
    paper.pdf.line(MARGIN, paper.y, paper.right, paper.y)


def _put_amount(paper: Paper, column: _Column, below: float, text: str, **look: Any) -> None:
    paper.put(column.right, below, text, align="right", within=column.width - 1.5, **look)


def _draw_credits(paper: Paper, report: Report) -> None:
    _begin_section(paper, "Credits")

    def draw_heads() -> None:
        paper.put(MARGIN, 5, "Credits: credited lines", size=11, bold=True)
        paper.y += 8
        paper.put(MARGIN, 3, "Statement, line", size=7, colour=QUIET)
        paper.put(MARGIN + 40, 3, "What was disputed and accepted", size=7, colour=QUIET)
        paper.put(paper.right, 3, f"Credit, {CURRENCY}", size=7, colour=QUIET, align="right")
        paper.y += 4.2
        paper.draw_rule(MARGIN, paper.right)
        paper.y += 0.4

    draw_heads()
    for credit in report.credits:
        rows = paper.letters.wrapped(credit.explanation(report.timezone), 195, size=_LINE_SIZE)
        if paper.make_room(_ROW * len(rows) + 0.8):
            draw_heads()
        source = Period(credit.report_period).name
        if credit.line_number is not None:
            source += f", line {credit.line_number:,}"
        paper.put(MARGIN, 2.8, source, size=_LINE_SIZE)
        paper.put_rows(MARGIN + 40, 2.8, rows, _ROW, size=_LINE_SIZE)
        paper.put(paper.right, 2.8, money(credit.amount_cents), size=_LINE_SIZE, align="right")
        paper.y += _ROW * len(rows) + 0.8
        paper.pdf.line(MARGIN, paper.y, paper.right, paper.y)
    paper.make_room(8)
    paper.put(MARGIN, 4.6, f"Total of {counted(len(report.credits), 'credit')}", size=8, bold=True)
    total = money(report.credit_cents)
    paper.put(paper.right, 4.6, total, size=8, bold=True, align="right")
    paper.y += 7


def _draw_sum(paper: Paper, report: Report, totals: Totals, title: str) -> None:
    if paper.y + 8 > paper.bottom:
        paper.add_page("landscape")
        _draw_section_head(paper, report, f"{title}, continued")
    paper.y += 1
    sums = (totals.gross_cents, totals.duplicate_cents + totals.cap_cents, totals.billed_cents)
    paper.put(MARGIN, 3.6, f"Total of {counted(totals.actions, 'line')}", size=8, bold=True)
    for column, cents in zip(_COLUMNS[-3:], sums, strict=True):
        _put_amount(paper, column, 3.6, money(cents), size=8, bold=True)
    paper.y += 6


def _what_happened(line: Line, period: Period, zone: ZoneInfo) -> str:
    what = f"{line.action_type} ({line.engagement_level})"
    if line.period != period.start:
        what = f"Prior period, {Period(line.period).name}: {what}"
    match line.outcome:
        case Outcome.DUPLICATE:
            first = line.duplicate_of_timestamp
            moment = "" if first is None else f", {local(first, zone)}"
            return f"{what}: duplicate of lead {line.duplicate_of_lead_id}{moment}"
        case Outcome.PARTIALLY_CAPPED | Outcome.CAPPED:
            used, limit = money(line.cap_used_before_cents), money(line.cap_limit_cents)
            return f"{what}: {used} of the cap of {limit} were already used"
    return what
