"""The page of one report: its lines filtered and sorted, and its verification on demand.

It has the address of the report, like the other formats.
"""

from collections.abc import Iterator

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.orm import Session

from common.closing.verification import verify_report
from common.enums import EngagementLevel, Outcome
from common.leads.validation_errors import field_error
from common.problems import Invalid, NotFound
from common.reports.line_search import Direction, LineSearch, LinesFound, LineSort
from common.reports.months import Month
from common.request_model import Id
from services.reports.api.dependencies import Text
from services.reports.console.pages import REPORT_ROOT, Frame
from services.reports.http.authorization import principal_of
from services.reports.render import as_html
from services.reports.report_loader import load_report


class _Query(BaseModel):
    """The page's query; unknown names are refused."""

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

    def search(self) -> LineSearch:
        return LineSearch(
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
        """The filters, for the links of the page."""
        named = self.model_dump(
            mode="json", exclude={"sort", "order", "page", "verify"}, exclude_none=True
        )
        return {name: str(value) for name, value in named.items()}


def report_page(request: Request, session: Session, month: Month) -> Iterator[bytes]:
    """The page of a customer's month.

    Raises Invalid for a query it does not know, and NotFound for a page behind the last.
    """
    query = _query_of(request)
    search = query.search()
    report = load_report(session, month, search)
    found = LinesFound(search, list(report.lines), report.matching)
    if not found.lines and query.page > 1:
        raise NotFound(f"there is no page {query.page} of these lines")
    verification = None
    if query.verify:
        if month.final is None:
            raise NotFound("only a final report that was stored can be verified")
        verification = verify_report(session, month.final)
    frame = Frame(REPORT_ROOT, "reports", principal_of(request))
    return as_html.render(report, found, query.filters(), verification, frame)


def _query_of(request: Request) -> _Query:
    given = {name: value for name, value in request.query_params.items() if value}
    try:
        return _Query.model_validate(given)
    except ValidationError as error:
        details = error.errors()
        for detail in details:
            detail["loc"] = ("query", *detail["loc"])
        raise Invalid("a filter was refused", [field_error(each) for each in details]) from None
