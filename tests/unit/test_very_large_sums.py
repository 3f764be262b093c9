"""Very large sums: no two texts of a statement stand on each other, and none is cut off."""

import io
import json
from collections.abc import Iterator
from importlib.resources import files
from typing import NamedTuple

import pytest
from fontTools.ttLib import TTFont
from pypdf import PdfReader
from rich.console import Console

from common.rating.line import Line
from common.reports.model import Report
from scripts.report import print_report
from scripts.stack.sample import table
from services.reports.api.schemas.reports import Report as ReportAnswer
from services.reports.render.pdf.statement import render
from tests.support.reports import line, report_of

FONTS = files("services.reports.render.pdf") / "fonts"
# From a usual amount to the most that a line (int) and a sum (bigint) of cents can be.
LINES = [1_000, 24_000_000_000 // 100, 2_147_483_647]


class Written(NamedTuple):
    """A text on a page, in points."""

    text: str
    left: float
    right: float
    baseline: float
    size: float


def widths_of(weight: str) -> dict[int, float]:
    """The width of each character, in sizes of the font."""
    data = io.BytesIO((FONTS / f"NotoSans-{weight}.ttf").read_bytes())
    with TTFont(data) as font:
        advances, size = font["hmtx"].metrics, font["head"].unitsPerEm
        return {code: advances[name][0] / size for code, name in font.getBestCmap().items()}


def texts_of(report: Report) -> Iterator[list[Written]]:
    """The texts of each page, by the positions that the PDF gives them."""
    widths = {name: widths_of(name) for name in ("Regular", "Bold")}
    for page in PdfReader(io.BytesIO(b"".join(render(report)))).pages:
        found: list[Written] = []

        def visit(text: str, _cm: object, place: list[float], font: object, size: float) -> None:
            if text := text.strip():
                weight = "Bold" if "Bold" in str(font["/BaseFont"]) else "Regular"  # type: ignore[index]
                width = sum(widths[weight].get(ord(one), 0.6) for one in text) * size
                before = found[-1] if found else None  # noqa: B023
                if before and (before.left, before.baseline) == (place[4], place[5]):
                    # One text of two fonts, which the reader gives at the place of the first.
                    found[-1] = before._replace(  # noqa: B023
                        text=before.text + text, right=before.right + width
                    )
                    return
                found.append(Written(text, place[4], place[4] + width, place[5], size))  # noqa: B023

        page.extract_text(visitor_text=visit)
        yield found


def overlapping(texts: list[Written]) -> list[tuple[str, str]]:
    return [
        (one.text, other.text)
        for place, one in enumerate(texts)
        for other in texts[place + 1 :]
        if abs(one.baseline - other.baseline) < min(one.size, other.size) * 0.7
        and one.left < other.right
        and other.left < one.right
    ]


def saved(cents: int) -> list[Line]:
    """A line that is billed, one that is capped in part, and a duplicate."""
    return [
        line(gross_cents=cents, billed_cents=cents),
        line(gross_cents=cents, billed_cents=cents // 3, cap_cents=cents - cents // 3),
        line(gross_cents=cents, billed_cents=0, duplicate_cents=cents),
    ]


@pytest.mark.parametrize("cents", LINES)
@pytest.mark.parametrize("count", [1, 60])
def test_no_two_texts_of_a_statement_overlap(cents: int, count: int) -> None:
    report = report_of(saved(cents) * count)

    pages = list(texts_of(report))

    assert [overlapping(texts) for texts in pages] == [[] for _ in pages]
    written = {one.text for texts in pages for one in texts}
    assert f"{report.totals.gross_cents / 100:,.2f}" in written


def test_usual_amounts_keep_their_size() -> None:
    (_, lines) = texts_of(report_of(saved(100_000)))

    assert {one.size for one in lines if one.text == "1,000.00"} == {6.6}


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("cents", LINES)
def test_terminal_cuts_no_amount_off(cents: int, width: int) -> None:
    report = report_of(saved(cents) * 3)
    written = json.loads(ReportAnswer.from_report(report, 0).model_dump_json())
    shown = io.StringIO()

    print_report(Console(file=shown, width=width), written)

    totals = written["totals"]
    amounts = {totals["gross"], totals["billed"], *totals["savings"].values()}
    amounts |= {one[name] for one in written["lines"] for name in ("gross", "billed")}
    words = set(shown.getvalue().split())
    assert amounts - {totals["savings"]["total"]} <= words
    assert "\u2026" not in shown.getvalue()


def test_table_of_the_stack_keeps_amounts_apart() -> None:
    report = report_of(saved(LINES[-1]) * 3)
    written = json.loads(ReportAnswer.from_report(report, 0).model_dump_json())

    rows = [row.split() for row in table(written)]

    for one in written["lines"]:
        assert any({one["gross"], one["billed"]} <= set(row) for row in rows)
