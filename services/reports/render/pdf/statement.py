"""A report as a statement to send: a summary, then every line, on numbered pages.

Invariant: the same final report gives the same bytes, and nothing in it is but text.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from fpdf import FPDF

from common.billing_period import Period
from common.disputes.credit import Credit
from common.enums import Outcome, ReportStatus
from common.money import CURRENCY
from common.rating.line import Line, total_of
from common.rating.totals import Totals
from common.reports.model import Group, Report
from common.settings import settings
from services.reports.render.formatting import cut, local, money, report_path
from services.reports.render.pdf.text import Colour, Lettering

MEDIA_TYPE = "application/pdf"
# More lines than this take long enough that whoever waits is shown how far it is.
LINES_WITHOUT_PROGRESS = 5_000

_LINES_BETWEEN_NEWS = 500
_BYTES_AT_ONCE = 64 * 1024
_MAX_GROUPS = 12

_INK: Colour = (28, 35, 48)
_QUIET: Colour = (91, 100, 114)
_RULE: Colour = (208, 213, 222)
_BAND: Colour = (244, 246, 249)
_FINAL: Colour = (23, 104, 59)
_DRAFT: Colour = (147, 78, 0)
_MARK: Colour = (238, 238, 238)

_SHORT_SIDE, _LONG_SIDE = 210.0, 297.0
_MARGIN = 15.0
_FOOT = 16.0  # what is kept free below, for the page's number
_ROW = 3.2
_LINE_SIZE = 6.6
_PRIOR_TITLE = "Prior periods: actions that came after their month was closed"


class _Column(NamedTuple):
    """A column of the lines; an amount ends at its right."""

    name: str
    left: float
    width: float
    is_amount: bool = False


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


def render(report: Report) -> Iterator[bytes]:
    """The PDF in pieces, once it is made."""
    statement = _Statement(report)
    for _ in statement.drawn():
        pass
    yield from statement.pieces()


def render_with_progress(report: Report) -> Iterator[bytes]:
    """The same behind what tells how far it is: rows of "1500 of 20000", then an empty one."""
    statement = _Statement(report)
    count = report.totals.actions + len(report.prior_period)
    for drawn in statement.drawn():
        yield b"%d of %d\n" % (drawn, count)
    yield b"\n"
    yield from statement.pieces()


class _Statement:
    """The document while it is drawn; lengths in millimetres."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._zone = ZoneInfo(report.timezone)
        self._prior = total_of(report.prior_period)
        self._pdf = FPDF(unit="mm", format="A4")
        self._pdf.set_auto_page_break(False)
        self._pdf.c_margin = 0
        self._pdf.set_lang("en")
        self._pdf.set_title(f"{report.customer_name}: statement of {report.period.name}")
        self._pdf.set_author(settings().billed_by)
        self._pdf.set_creation_date(report.generated_at)
        self._letters = Lettering(self._pdf)
        self._summary_pages = 0
        self._y = 0.0

    def drawn(self) -> Iterator[int]:
        """Draws it, and says every now and then how many lines are."""
        self._draw_summary()
        self._summary_pages = self._pdf.pages_count
        count = 0
        yield count
        for count in self._draw_lines():
            if count % _LINES_BETWEEN_NEWS == 0:
                yield count
        self._number_pages()
        yield count

    def pieces(self) -> Iterator[bytes]:
        made = memoryview(self._pdf.output())
        for start in range(0, len(made), _BYTES_AT_ONCE):
            yield bytes(made[start : start + _BYTES_AT_ONCE])

    # --- the summary

    def _draw_summary(self) -> None:
        self._add_page("portrait")
        self._draw_head()
        self._draw_facts()
        self._draw_bill()
        for notice in self._report.notices:
            self._draw_paragraph("Note", notice.detail, shaded=True)
        if self._report.totals.actions:
            parts = self._report.parts
            self._draw_breakdown("By product", parts.by_product, _product)
            self._draw_breakdown("By lead type", parts.by_lead_type, _lead_type)
            self._draw_breakdown("By user", parts.by_user, _user)
        self._draw_paragraph("How to check this statement", " ".join(self._how_to_check()))

    def _draw_head(self) -> None:
        report = self._report
        self._put(_MARGIN, 6, settings().billed_by, size=10, colour=_QUIET)
        word = "FINAL" if self._is_final else "DRAFT"
        colour = _FINAL if self._is_final else _DRAFT
        width = self._letters.width(word, size=11, bold=True) + 8
        self._pdf.set_draw_color(*colour)
        self._pdf.set_line_width(0.5)
        self._pdf.rect(
            self._right - width, self._y + 1, width, 8, round_corners=True, corner_radius=1.5
        )
        self._put(self._right - width + 4, 6.6, word, size=11, bold=True, colour=colour)
        self._y += 10
        for row in self._letters.wrapped(
            f"Statement of leads, {report.period.name}", 150, size=20, bold=True
        ):
            self._put(_MARGIN, 7, row, size=20, bold=True)
            self._y += 9
        if not self._is_final:
            self._put(
                _MARGIN,
                4,
                "A draft, not a bill: it follows its leads until the month is closed.",
                size=9,
                bold=True,
                colour=_DRAFT,
            )
            self._y += 6
        self._y += 3

    def _draw_facts(self) -> None:
        report, zone = self._report, self._report.timezone
        last = report.period.end - timedelta(days=1)
        made = local(report.finalized_at or report.generated_at, self._zone)
        facts = [
            ("Billed by", settings().billed_by),
            ("Billed to", report.customer_name),
            ("Customer", report.customer_id),
            ("Period", f"{report.period.start.isoformat()} to {last.isoformat()}, both included"),
            ("Time zone", f"{zone}; all times on these pages are in it"),
            ("Currency", CURRENCY),
            ("Rate card", f"{report.rate_card_name}, version {report.rate_card_version}"),
            ("Report", report.report_id),
            ("Status", f"{'final since' if self._is_final else 'draft, made'} {made}"),
            ("Content hash", self._hash),
        ]
        for name, value in facts:
            rows = self._letters.wrapped(value, self._right - _MARGIN - 32, size=9)
            self._make_room(4.6 * len(rows))
            self._put(_MARGIN, 3.6, name, size=9, colour=_QUIET)
            for row in rows:
                self._put(_MARGIN + 32, 3.6, row, size=9)
                self._y += 4.6
        self._y += 4

    def _draw_bill(self) -> None:
        report = self._report
        totals, period = report.totals, report.period.name
        listed = f"{_count(totals.actions, 'action')} of {_count(totals.leads, 'lead')}"
        rows = [
            (f"List price of {listed}", totals.gross_cents, False),
            ("Saved on duplicates", -totals.duplicate_cents, False),
            ("Saved by the cap", -totals.cap_cents, False),
            (f"Billed for {period}", totals.billed_cents, True),
            (
                f"Prior periods, {_count(self._prior.actions, 'action')}",
                self._prior.billed_cents,
                False,
            ),
            (_count(len(report.credits), "credit").capitalize(), -report.credit_cents, False),
        ]
        self._make_room(7 * len(rows) + 14)
        top, height = self._y, 6.4 * len(rows) + 13
        self._letters.shade(_MARGIN, top, self._right - _MARGIN, height, _BAND)
        self._y += 1.5
        for name, cents, is_sum in rows:
            if is_sum:
                self._draw_rule(_MARGIN + 4, self._right - 4)
            self._put(_MARGIN + 4, 4.6, name, size=9.5, bold=is_sum)
            self._put_right(self._right - 4, 4.6, money(cents), size=9.5, bold=is_sum)
            self._y += 6.4
        self._draw_rule(_MARGIN + 4, self._right - 4)
        self._put(_MARGIN + 4, 6.6, "Due", size=13, bold=True)
        due = f"{CURRENCY} {money(self._report.due_cents)}"
        self._put_right(self._right - 4, 6.6, due, size=13, bold=True)
        self._y = top + height + 5

    def _draw_breakdown(
        self, title: str, groups: list[Group], name_of: Callable[[dict[str, Any]], str]
    ) -> None:
        shown, count, others = cut(groups, _MAX_GROUPS)
        rows = [(name_of(group.members), group.totals) for group in shown]
        if count:
            rows.append((f"{count:,} others", others))
        heads = ("Leads", "Actions", "Gross", "Duplicates", "Cap", "Billed")
        edges = [self._right - offset for offset in (104, 88, 66, 44, 22, 0)]
        self._make_room(24)
        self._put(_MARGIN, 5, title, size=11, bold=True)
        self._y += 7

        def draw_heads() -> None:
            for head, edge in zip(heads, edges, strict=True):
                self._put_right(edge, 3, head, size=7.5, colour=_QUIET)
            self._y += 4
            self._draw_rule(_MARGIN, self._right)

        def draw_row(name: str, totals: Totals, *, bold: bool = False) -> None:
            texts = self._letters.wrapped(name, edges[0] - 14 - _MARGIN, size=8.5, bold=bold)
            if self._make_room(4.4 * len(texts) + 1):
                draw_heads()
            cells = (
                f"{totals.leads:,}",
                f"{totals.actions:,}",
                money(totals.gross_cents),
                money(totals.duplicate_cents),
                money(totals.cap_cents),
                money(totals.billed_cents),
            )
            for row, text in enumerate(texts):
                self._put(_MARGIN, 3.6 + 4.4 * row, text, size=8.5, bold=bold)
            for cell, edge in zip(cells, edges, strict=True):
                self._put_right(edge, 3.6, cell, size=8.5, bold=bold)
            self._y += 4.4 * len(texts) + 0.6

        draw_heads()
        for name, totals in rows:
            draw_row(name, totals)
        self._draw_rule(_MARGIN, self._right)
        draw_row("Total", self._report.totals, bold=True)
        self._y += 4

    def _draw_paragraph(self, title: str, text: str, *, shaded: bool = False) -> None:
        rows = self._letters.wrapped(text, self._right - _MARGIN - 8, size=8.5)
        height = 4.3 * len(rows) + 8
        self._make_room(height + 4)
        if shaded:
            self._letters.shade(_MARGIN, self._y, self._right - _MARGIN, height, _BAND)
        left = _MARGIN + 4 if shaded else _MARGIN
        self._put(left, 5, title, size=8.5, bold=True)
        self._y += 5.5
        for row in rows:
            self._put(left, 3.6, row, size=8.5)
            self._y += 4.3
        self._y += 6

    def _how_to_check(self) -> Iterator[str]:
        yield (
            "Each action is one line on the pages behind this one. Gross is its list price; what "
            "is not billed is saved, as a duplicate or by the cap: gross = billed + saved, on "
            "every line and in every total. Users are masked; the code behind each tells them "
            "apart."
        )
        path = report_path(self._report.customer_id, self._report.period)
        if not self._is_final:
            yield "A draft has no content hash. Closing the month makes it final."
        elif self._report.content_hash is not None:
            yield (
                "The content hash is a SHA-256 over all amounts and lines, and over the hash of "
                f"the statement before this one. {path}/verify computes it anew from the stored "
                "lines and from the raw actions; scripts/verify_report.py does so without the "
                f"service, from the report as JSON ({path}.json). Keep the hash: whoever has it "
                "notices when anything was changed afterwards."
            )

    # --- the lines

    def _draw_lines(self) -> Iterator[int]:
        """Draws every line, those of prior periods last, and says after each how many are."""
        report = self._report
        number = 0
        for title, lines, totals in (
            (f"Lines of {report.period.name}", report.lines, report.totals),
            (_PRIOR_TITLE, report.prior_period, self._prior),
        ):
            if totals.actions:
                self._begin_section(title)
                for line in lines:
                    number += 1
                    self._draw_line(number, line, title)
                    yield number
                self._draw_sum(totals, title)
        if report.credits:
            self._draw_credits(report.credits)
        if not number:
            text = f"No lead of this customer had an action in {report.period.name}."
            self._draw_paragraph("Lines", text)
        if self._letters.has_numbered:
            self._draw_paragraph(
                "Characters",
                "What no font of this document can draw is shown by its Unicode number, such as "
                "[U+1F600]. The CSV and JSON of this report hold it as it is.",
            )

    def _begin_section(self, title: str) -> None:
        """A heading and the columns' heads, on a page of their own if it is the first section."""
        if self._is_wide and self._y + 40 < self._bottom:
            self._y += 6
        else:
            self._add_page("landscape")
        self._pdf.start_section(self._letters.shown(title))
        self._draw_section_head(title)

    def _draw_section_head(self, title: str) -> None:
        self._put(_MARGIN, 5, title, size=11, bold=True)
        self._put_right(self._right, 5, f"times in {self._report.timezone}", size=8, colour=_QUIET)
        self._y += 8
        for column in _COLUMNS:
            name = column.name.format(currency=CURRENCY)
            if column.is_amount:
                self._put_right(column.left + column.width, 3, name, size=7, colour=_QUIET)
            else:
                self._put(column.left, 3, name, size=7, colour=_QUIET)
        self._y += 4.2
        self._draw_rule(_MARGIN, self._right)
        self._pdf.set_line_width(0.08)
        self._y += 0.4

    def _draw_line(self, number: int, line: Line, title: str) -> None:
        cells = (
            f"{number:,}",
            local(line.timestamp, self._zone),
            line.lead_id,
            line.product_id,
            line.lead_type,
            _user({"user": line.user, "user_key": line.user_key}),
            _what_happened(line, self._report.period, self._zone),
            money(line.gross_cents),
            money(line.duplicate_cents + line.cap_cents),
            money(line.billed_cents),
        )
        wrapped = [
            [text]
            if column.is_amount
            else self._letters.wrapped(text, column.width - 2, size=_LINE_SIZE)
            for column, text in zip(_COLUMNS, cells, strict=True)
        ]
        height = _ROW * max(map(len, wrapped)) + 0.8
        if self._y + height > self._bottom:
            self._add_page("landscape")
            self._draw_section_head(f"{title}, continued")
        for column, texts in zip(_COLUMNS, wrapped, strict=True):
            colour = _INK if line.billed_cents or not column.is_amount else _QUIET
            if column.is_amount:
                self._put_right(
                    column.left + column.width, 2.8, texts[0], size=_LINE_SIZE, colour=colour
                )
                continue
            for row, text in enumerate(texts):
                self._put(column.left, 2.8 + _ROW * row, text, size=_LINE_SIZE)
        self._y += height
        self._pdf.line(_MARGIN, self._y, self._right, self._y)

    def _draw_credits(self, given_back: list[Credit]) -> None:
        if not self._is_wide or self._y + 40 > self._bottom:
            self._add_page("landscape")
        else:
            self._y += 6
        self._pdf.start_section("Credits")

        def draw_heads() -> None:
            self._put(
                _MARGIN, 5, "Credits: lines of earlier statements, given back", size=11, bold=True
            )
            self._y += 8
            self._put(_MARGIN, 3, "Statement, line", size=7, colour=_QUIET)
            self._put(_MARGIN + 40, 3, "What was disputed and accepted", size=7, colour=_QUIET)
            self._put_right(self._right, 3, f"Credit, {CURRENCY}", size=7, colour=_QUIET)
            self._y += 4.2
            self._draw_rule(_MARGIN, self._right)
            self._y += 0.4

        draw_heads()
        for credit in given_back:
            rows = self._letters.wrapped(credit.explanation, 195, size=_LINE_SIZE)
            if self._make_room(_ROW * len(rows) + 0.8):
                draw_heads()
            source = f"{Period(credit.report_period).name}, line {credit.line_number:,}"
            self._put(_MARGIN, 2.8, source, size=_LINE_SIZE)
            for row, text in enumerate(rows):
                self._put(_MARGIN + 40, 2.8 + _ROW * row, text, size=_LINE_SIZE)
            self._put_right(self._right, 2.8, money(credit.amount_cents), size=_LINE_SIZE)
            self._y += _ROW * len(rows) + 0.8
            self._pdf.line(_MARGIN, self._y, self._right, self._y)
        self._make_room(8)
        self._put(_MARGIN, 4.6, f"Total of {_count(len(given_back), 'credit')}", size=8, bold=True)
        total = money(self._report.credit_cents)
        self._put_right(self._right, 4.6, total, size=8, bold=True)
        self._y += 7

    def _draw_sum(self, totals: Totals, title: str) -> None:
        if self._y + 8 > self._bottom:
            self._add_page("landscape")
            self._draw_section_head(f"{title}, continued")
        self._y += 1
        sums = (totals.gross_cents, totals.duplicate_cents + totals.cap_cents, totals.billed_cents)
        self._put(_MARGIN, 3.6, f"Total of {_count(totals.actions, 'line')}", size=8, bold=True)
        for column, cents in zip(_COLUMNS[-3:], sums, strict=True):
            right = column.left + column.width
            self._put_right(right, 3.6, money(cents), size=8, bold=True)
        self._y += 6

    # --- the paper

    @property
    def _is_final(self) -> bool:
        return self._report.status is ReportStatus.FINAL

    @property
    def _hash(self) -> str:
        if not self._is_final:
            return "none: only a final statement has one"
        return self._report.content_hash or "none: closed along with a later month"

    @property
    def _is_wide(self) -> bool:
        return self._pdf.w > self._pdf.h

    @property
    def _right(self) -> float:
        return self._pdf.w - _MARGIN

    @property
    def _bottom(self) -> float:
        return self._pdf.h - _FOOT

    def _add_page(self, orientation: Literal["portrait", "landscape"]) -> None:
        self._pdf.add_page(orientation)
        self._y = _MARGIN
        if not self._is_final:
            middle = (self._pdf.w / 2, self._pdf.h / 2)
            with self._pdf.rotation(35, *middle):
                half = self._letters.width("DRAFT", size=150, bold=True) / 2
                self._letters.write(
                    middle[0] - half, middle[1] + 18, "DRAFT", size=150, bold=True, colour=_MARK
                )

    def _make_room(self, height: float) -> bool:
        """Begins another page where there is less room than that; says whether it did."""
        if self._y + height <= self._bottom:
            return False
        self._add_page("landscape" if self._is_wide else "portrait")
        return True

    def _number_pages(self) -> None:
        """Writes each page's foot, now that it is known how many there are."""
        pdf, report, last = self._pdf, self._report, self._pdf.pages_count
        kind = "Final statement" if self._is_final else "Draft, not a bill"
        about = (
            f"{kind} · {report.period.name} · report {report.report_id} · {report.customer_name}"
        )
        for number in range(1, last + 1):
            self._letters.return_to(number)
            width = _LONG_SIDE if number > self._summary_pages else _SHORT_SIDE
            self._y = pdf.h - 11
            rows = self._letters.wrapped(about, width - 2 * _MARGIN - 30, size=7)
            self._put(_MARGIN, 3, rows[0] + ("…" if rows[1:] else ""), size=7, colour=_QUIET)
            page = f"Page {number:,} of {last:,}"
            self._put_right(width - _MARGIN, 3, page, size=7, colour=_QUIET)

    def _put(
        self,
        x: float,
        below: float,
        text: str,
        *,
        size: float,
        bold: bool = False,
        colour: Colour = _INK,
    ) -> None:
        """Writes a text whose baseline is that far below where the page is."""
        self._letters.write(x, self._y + below, text, size=size, bold=bold, colour=colour)

    def _put_right(
        self,
        right: float,
        below: float,
        text: str,
        *,
        size: float,
        bold: bool = False,
        colour: Colour = _INK,
    ) -> None:
        self._letters.write(
            right, self._y + below, text, size=size, bold=bold, colour=colour, align="right"
        )

    def _draw_rule(self, left: float, right: float) -> None:
        self._pdf.set_draw_color(*_RULE)
        self._pdf.set_line_width(0.2)
        self._pdf.line(left, self._y, right, self._y)


def _product(members: dict[str, Any]) -> str:
    name, product = members["name"], members["product_id"]
    return product if name in {None, product} else f"{name} ({product})"


def _lead_type(members: dict[str, Any]) -> str:
    return str(members["lead_type"])


def _user(members: dict[str, Any]) -> str:
    """A user, and the beginning of their key: masked, two of them may look the same."""
    if members["user"] is None:
        return "no user named"
    return f"{members['user']} · {members['user_key'][:6]}"


def _what_happened(line: Line, period: Period, zone: ZoneInfo) -> str:
    what = f"{line.action_type} ({line.engagement_level})"
    if line.period != period.start:
        what = f"Prior period, {Period(line.period).name}: {what}"
    match line.outcome:
        case Outcome.DUPLICATE:
            first = line.duplicate_of_timestamp
            moment = "" if first is None else f" of {local(first, zone)}"
            return f"{what}: repeats {line.duplicate_of_lead_id}{moment}"
        case Outcome.PARTIALLY_CAPPED | Outcome.CAPPED:
            used, limit = money(line.cap_used_before_cents), money(line.cap_limit_cents)
            return f"{what}: {used} of the cap of {limit} was used"
    return what


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
