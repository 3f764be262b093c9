"""A report as a statement to send: a summary, then every line, on numbered pages.

Invariant: the same final report gives the same bytes, and it contains only text.
"""

from collections.abc import Iterator
from contextlib import closing

from common.reports.model import Report
from services.reports.render.pdf.lines import draw_lines
from services.reports.render.pdf.paper import Paper
from services.reports.render.pdf.summary import draw_summary

MEDIA_TYPE = "application/pdf"
# A statement of more lines takes long enough that its progress is shown.
LINES_WITHOUT_PROGRESS = 5_000

_LINES_BETWEEN_NEWS = 500


def render(report: Report) -> Iterator[bytes]:
    """The PDF in pieces, once all of it is drawn; until then empty ones, so a reader can stop."""
    with closing(Paper(report)) as paper:
        for _ in _draw(paper, report):
            yield b""
        yield from paper.pieces()


def render_with_progress(report: Report) -> Iterator[bytes]:
    """The progress in rows of "1500 of 20000", then an empty row, then the PDF."""
    count = report.totals.actions + len(report.prior_period)
    with closing(Paper(report)) as paper:
        for drawn in _draw(paper, report):
            yield b"%d of %d\n" % (drawn, count)
        yield b"\n"
        yield from paper.pieces()


def _draw(paper: Paper, report: Report) -> Iterator[int]:
    """Draws everything, and yields from time to time how many lines are drawn."""
    draw_summary(paper, report)
    summary_pages = paper.pdf.pages_count
    count = 0
    yield count
    for count in draw_lines(paper, report):
        if count % _LINES_BETWEEN_NEWS == 0:
            yield count
    kind = f"Final {report.details.title.lower()}" if paper.is_final else "Draft, not a bill"
    if report.details.number is not None:
        kind += f" {report.details.number}"
    about = f"{kind} · {report.period.name} · report {report.report_id} · {report.customer_name}"
    paper.number_pages(about, summary_pages)
    yield count
