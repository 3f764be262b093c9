"""A report as a page to read and to print."""

from collections.abc import Iterator, Mapping
from zoneinfo import ZoneInfo

from common.closing.verification import Verification
from common.enums import EngagementLevel, Outcome
from common.rating.line import total_of
from common.reports.line_search import LinesFound
from common.reports.model import Report
from services.reports.render.formatting import cut
from services.reports.render.pdf.statement import LINES_WITHOUT_PROGRESS
from services.reports.render.templates import environment

MEDIA_TYPE = "text/html; charset=utf-8"
_PIECES_AT_ONCE = 200
_MAX_GROUPS = 40
_MAX_PRIOR_LINES = 200


def render(
    report: Report,
    found: LinesFound,
    filters: Mapping[str, str],
    verification: Verification | None,
    frame: object,
) -> Iterator[bytes]:
    """The page in pieces. `filters`: of its lines, for its links; `frame`: the console's."""
    count = report.totals.actions + len(report.prior_period)
    stream = (
        environment()
        .get_template("report.html")
        .stream(
            frame=frame,
            report=report,
            found=found,
            filters=filters,
            verification=verification,
            levels=list(EngagementLevel),
            outcomes=list(Outcome),
            breakdowns={
                name: cut(groups, _MAX_GROUPS)
                for name, groups in zip(
                    ("product", "lead_type", "user"), report.parts, strict=False
                )
            },
            prior_lines=report.prior_period[:_MAX_PRIOR_LINES],
            prior_actions={line.action_id for line in report.prior_period},
            prior_totals=total_of(report.prior_period),
            is_long=count > LINES_WITHOUT_PROGRESS,
            zone=ZoneInfo(report.timezone),
        )
    )
    stream.enable_buffering(_PIECES_AT_ONCE)
    return (piece.encode() for piece in stream)
