"""The page of one report: its lines filtered and sorted, and its verification on demand.

It has the address of the report, like the other formats.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.orm import Session

from common.closing.verification import verify_report
from common.delivery.deliveries import list_deliveries
from common.disputes.search import disputed_actions
from common.enums import EngagementLevel, Outcome
from common.leads.validation_errors import field_error
from common.problems import Invalid, NotFound
from common.reports.line_search import Direction, LineSearch, LinesFound, LineSort
from common.reports.model import Report
from common.reports.months import Month
from common.request_model import Id
from common.settings import MailTransport, settings
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
        filters = self.model_dump(
            mode="json", exclude={"sort", "order", "page", "verify"}, exclude_none=True
        )
        return {name: str(value) for name, value in filters.items()}


def report_page(request: Request, session: Session, month: Month) -> Iterator[bytes]:
    """The page of a customer's month.

    Raises Invalid for a query it does not know, and NotFound for a page after the last.
    """
    query = _query_of(request)
    search = query.search()
    report, _ = load_report(session, month, search)
    matches = LinesFound(search, list(report.lines), report.matching)
    if not matches.lines and query.page > 1:
        raise NotFound(f"there is no page {query.page} of these lines")
    verification = None
    if query.verify:
        if month.final is None:
            raise NotFound("only a final report that was stored can be verified")
        verification = verify_report(session, month.final)
    frame = Frame(REPORT_ROOT, "Reports", principal_of(request))
    disputable = _disputable(session, report, matches) if frame.may_change else set()
    filters = query.filters()
    deliveries = []
    if month.final is not None:
        deliveries = list_deliveries(session, month.final.customer_id, month.final.report_id)
    return as_html.render(
        report,
        matches,
        filters,
        verification,
        frame,
        disputable=disputable,
        deliveries=deliveries,
        billing_email=month.customer.billing_email,
        sends_mail=settings().mail_transport is not MailTransport.OFF,
    )


def _disputable(session: Session, report: Report, matches: LinesFound) -> set[str]:
    """The actions of the page whose lines can be disputed now."""
    if report.dispute_until is not None and datetime.now(UTC) >= report.dispute_until:
        return set()
    lines = [*matches.lines, *report.prior_period]
    billed = {line.action_id for line in lines if line.billed_cents}
    if not billed:
        return set()
    return billed - disputed_actions(session, report.customer_id, billed)


def _query_of(request: Request) -> _Query:
    parameters = {name: value for name, value in request.query_params.items() if value}
    try:
        return _Query.model_validate(parameters)
    except ValidationError as error:
        details = error.errors()
        for detail in details:
            detail["loc"] = ("query", *detail["loc"])
        raise Invalid("a filter was refused", [field_error(detail) for detail in details]) from None
