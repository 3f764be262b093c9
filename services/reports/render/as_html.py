"""A report as a page to read and to print."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from zoneinfo import ZoneInfo

from common.closing.verification import Verification
from common.delivery.models import Delivery
from common.enums import EngagementLevel
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
_MAX_CREDITS = 200


def render(
    report: Report,
    matches: LinesFound,
    filters: Mapping[str, str],
    verification: Verification | None,
    frame: object,
    *,
    disputable: Collection[str],
    deliveries: Sequence[Delivery] = (),
    billing_email: str | None = None,
    sends_mail: bool = False,
) -> Iterator[bytes]:
    """The page in pieces. `filters`: those of its lines, for its links; `frame`: the console's.

    `disputable`: the actions whose lines the page offers to dispute.
    """
    parts = report.parts
    count = report.totals.actions + len(report.prior_period)
    stream = (
        environment()
        .get_template("report.html")
        .stream(
            frame=frame,
            report=report,
            matches=matches,
            filters=filters,
            verification=verification,
            disputable=disputable,
            deliveries=deliveries,
            billing_email=billing_email,
            sends_mail=sends_mail,
            levels=[level.value for level in EngagementLevel],
            products={
                group.members["product_id"]: group.members["name"] or group.members["product_id"]
                for group in parts.by_product
            },
            breakdowns={
                name: cut(groups, _MAX_GROUPS, report.totals, number)
                for name, groups, number in (
                    ("product", parts.by_product, None),
                    ("lead_type", parts.by_lead_type, None),
                    ("user", parts.by_user, parts.user_count),
                )
            },
            credits=report.credits[:_MAX_CREDITS],
            prior_lines=report.prior_period[:_MAX_PRIOR_LINES],
            prior_actions={line.action_id for line in report.prior_period},
            prior_totals=total_of(report.prior_period),
            is_long=count > LINES_WITHOUT_PROGRESS,
            zone=ZoneInfo(report.timezone),
        )
    )
    stream.enable_buffering(_PIECES_AT_ONCE)
    return (piece.encode() for piece in stream)
