"""A report as a page to read and to print."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from common.billing import Report, total_of
from services.reports.pages import MEDIA_TYPE, REPORT_ROOT, Frame, environment

__all__ = ["MEDIA_TYPE", "render"]

_PIECES_AT_ONCE = 200


def render(report: Report) -> Iterator[bytes]:
    """The page in pieces, so that no more than some lines are held at once."""
    stream = (
        environment()
        .get_template("report.html")
        .stream(
            frame=Frame(REPORT_ROOT, "reports"),
            report=report,
            prior_totals=total_of(report.prior_period),
            zone=ZoneInfo(report.timezone),
        )
    )
    stream.enable_buffering(_PIECES_AT_ONCE)
    return (piece.encode() for piece in stream)
