"""The page of one report: its lines found by filter and sorted, and its verification on demand.

It stands beside the report's other forms, at the report's own address.
"""

from collections.abc import Iterator

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Connection

from common.billing_period import Period
from common.catalog.models import Customer
from common.closing.verification import verify_report
from common.enums import EngagementLevel, Outcome, ReportStatus
from common.leads.validation_errors import field_error
from common.problems import Invalid, NotFound
from common.rating.totals import Totals
from common.reports.final import final_report_of
from common.reports.line_search import Direction, LinesFound, LineSort, LinesWanted, find_lines
from common.request_model import Id
from services.reports.api.dependencies import Text
from services.reports.console.pages import REPORT_ROOT, Frame
from services.reports.http.authorization import principal_of
from services.reports.render import as_html
from services.reports.report_loader import report_of


class _Asked(BaseModel):
    """The page's query: each name once, and no other."""

    model_config = ConfigDict(extra="forbid")

    product: Id | None = None
    lead_type: Id | None = None
    user: Text | None = None
    lead: Text | None = None
    level: EngagementLevel | None = None
    outcome: Outcome | None = None
    sort: LineSort = LineSort.TIME
    order: Direction = Direction.ASCENDING
    page: int = Field(default=1, ge=1, le=1_000_000)
    verify: bool = False

    def wanted(self) -> LinesWanted:
        return LinesWanted(
            product_id=self.product,
            lead_type=self.lead_type,
            user=self.user and self.user.strip(),
            lead=self.lead and self.lead.strip(),
            engagement_level=self.level,
            outcome=self.outcome,
            sort=self.sort,
            direction=self.order,
            page=self.page,
        )

    def filters(self) -> dict[str, str]:
        """What narrows, as the page's links carry it on."""
        named = self.model_dump(
            mode="json", exclude={"sort", "order", "page", "verify"}, exclude_none=True
        )
        return {name: str(value) for name, value in named.items()}


def report_page(
    request: Request, connection: Connection, whose: Customer, month: Period
) -> Iterator[bytes]:
    """The page of a customer's month. Raises Invalid for a query it does not know."""
    asked = _asked(request)
    report = report_of(connection, whose, month)
    stored = final_report_of(connection, whose, month)
    if stored is None and report.status is ReportStatus.FINAL:
        found = LinesFound(asked.wanted(), [], Totals())
    else:
        found = find_lines(connection, whose, month, stored, asked.wanted())
    verification = None
    if asked.verify:
        if stored is None:
            raise NotFound("only a final report that was stored can be verified")
        verification = verify_report(connection, stored)
    frame = Frame(REPORT_ROOT, "reports", principal_of(request))
    return as_html.render(report, found, asked.filters(), verification, frame)


def _asked(request: Request) -> _Asked:
    given = {name: value for name, value in request.query_params.items() if value}
    try:
        return _Asked.model_validate(given)
    except ValidationError as error:
        details = error.errors()
        for detail in details:
            detail["loc"] = ("query", *detail["loc"])
        raise Invalid("a filter was refused", [field_error(each) for each in details]) from None
