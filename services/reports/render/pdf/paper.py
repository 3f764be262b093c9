"""The paper of a statement: its pages, and writing on them.

Lengths are in millimetres; `y` is how far down the current page is written.
"""

import math
from collections.abc import Iterator
from typing import Literal
from zoneinfo import ZoneInfo

from fpdf import FPDF
from fpdf.fonts import TTFFont

from common.enums import ReportStatus
from common.reports.model import Report
from services.reports.render.pdf.text import Align, Colour, Lettering

INK: Colour = (28, 35, 48)
QUIET: Colour = (91, 100, 114)
RULE: Colour = (208, 213, 222)
BAND: Colour = (244, 246, 249)
FINAL: Colour = (23, 104, 59)
DRAFT: Colour = (147, 78, 0)
_MARK: Colour = (238, 238, 238)

_SHORT_SIDE, _LONG_SIDE = 210.0, 297.0
MARGIN = 15.0
_FOOT = 16.0  # what is kept free below, for the page's number
_BYTES_AT_ONCE = 64 * 1024


class Paper:
    """The pages of one report's statement."""

    def __init__(self, report: Report) -> None:
        self.zone = ZoneInfo(report.timezone)
        self.is_final = report.status is ReportStatus.FINAL
        self.y = 0.0
        self.pdf = FPDF(unit="mm", format="A4")
        self.pdf.set_auto_page_break(False)
        self.pdf.c_margin = 0
        self.pdf.set_lang("en")
        self.pdf.set_title(
            f"{report.customer_name}: {report.details.title.lower()} of {report.period.name}"
        )
        self.pdf.set_author(report.issuer)
        self.pdf.set_creation_date(report.generated_at)
        self.letters = Lettering(self.pdf)

    @property
    def is_wide(self) -> bool:
        return self.pdf.w > self.pdf.h

    @property
    def right(self) -> float:
        return self.pdf.w - MARGIN

    @property
    def bottom(self) -> float:
        return self.pdf.h - _FOOT

    def add_page(self, orientation: Literal["portrait", "landscape"]) -> None:
        self.pdf.add_page(orientation)
        self.y = MARGIN
        if not self.is_final:
            middle = (self.pdf.w / 2, self.pdf.h / 2)
            with self.pdf.rotation(35, *middle):
                half = self.letters.width("DRAFT", size=150, bold=True) / 2
                self.letters.write(
                    middle[0] - half, middle[1] + 18, "DRAFT", size=150, bold=True, colour=_MARK
                )

    def make_room(self, height: float) -> bool:
        """Begins another page if there is less room than `height`; says whether it did."""
        if self.y + height <= self.bottom:
            return False
        self.add_page("landscape" if self.is_wide else "portrait")
        return True

    def put(
        self,
        x: float,
        below: float,
        text: str,
        *,
        size: float,
        bold: bool = False,
        colour: Colour = INK,
        align: Align = "left",
        within: float | None = None,
    ) -> None:
        """Writes a text; its baseline is `below` millimetres under `y`.

        A text wider than `within` is written smaller, so that it fits.
        """
        if within is not None:
            width = self.letters.width(self.letters.shown(text), size=size, bold=bold)
            size = min(size, math.floor(size * within / width * 100) / 100)
        baseline = self.y + below
        self.letters.write(x, baseline, text, size=size, bold=bold, colour=colour, align=align)

    def put_rows(
        self,
        x: float,
        below: float,
        rows: list[str],
        step: float,
        *,
        size: float,
        bold: bool = False,
    ) -> None:
        """Writes rows of text, each `step` millimetres under the one before."""
        for number, row in enumerate(rows):
            self.put(x, below + step * number, row, size=size, bold=bold)

    def draw_rule(self, left: float, right: float) -> None:
        self.pdf.set_draw_color(*RULE)
        self.pdf.set_line_width(0.2)
        self.pdf.line(left, self.y, right, self.y)

    def draw_paragraph(self, title: str, text: str, *, shaded: bool = False) -> None:
        rows = self.letters.wrapped(text, self.right - MARGIN - 8, size=8.5)
        height = 4.3 * len(rows) + 8
        self.make_room(height + 4)
        if shaded:
            self.letters.shade(MARGIN, self.y, self.right - MARGIN, height, BAND)
        left = MARGIN + 4 if shaded else MARGIN
        self.put(left, 5, title, size=8.5, bold=True)
        self.y += 5.5
        for row in rows:
            self.put(left, 3.6, row, size=8.5)
            self.y += 4.3
        self.y += 6

    def close(self) -> None:
        """Closes the files of the fonts."""
        for font in self.pdf.fonts.values():
            if isinstance(font, TTFFont):
                font.close()

    def number_pages(self, about: str, summary_pages: int) -> None:
        """Writes `about` and the number into each page's foot, once all pages are there."""
        last = self.pdf.pages_count
        for number in range(1, last + 1):
            self.letters.return_to(number)
            width = _LONG_SIDE if number > summary_pages else _SHORT_SIDE
            self.y = self.pdf.h - 11
            rows = self.letters.wrapped(about, width - 2 * MARGIN - 30, size=7)
            self.put(MARGIN, 3, rows[0] + ("…" if rows[1:] else ""), size=7, colour=QUIET)
            page = f"Page {number:,} of {last:,}"
            self.put(width - MARGIN, 3, page, size=7, colour=QUIET, align="right")

    def pieces(self) -> Iterator[bytes]:
        content = memoryview(self.pdf.output())
        for start in range(0, len(content), _BYTES_AT_ONCE):
            yield bytes(content[start : start + _BYTES_AT_ONCE])
