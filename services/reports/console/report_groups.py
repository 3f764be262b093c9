"""/console/report-users and /console/report-leads: all users and all leads of one report."""

from collections.abc import Callable

from fastapi import Request
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from common.reports.groups import FoundGroup, GroupPlace, GroupSearch, find_leads, find_users
from common.reports.line_search import LineSearch
from common.reports.months import Month, find_month
from common.request_model import Id
from services.reports.api.dependencies import Cursor, Snapshot, Text, period_of
from services.reports.api.pagination import GROUPS, of_month
from services.reports.console.pages import list_page
from services.reports.http.routes import Router

router = Router()

GROUPS_A_PAGE = 100
_Find = Callable[[Session, Month, GroupSearch], list[FoundGroup]]


@router.get("/console/report-users", response_class=HTMLResponse)
def list_users(
    request: Request,
    session: Snapshot,
    customer_id: Id,
    period: str,
    user: Text | None = None,
    cursor: Cursor = None,
) -> HTMLResponse:
    """What each user of a report comes to, the largest first."""
    month = find_month(session, customer_id, period_of(period), counts_doubts=False)
    search = LineSearch(user=user)
    return _page(request, session, month, find_users, search, cursor)


@router.get("/console/report-leads", response_class=HTMLResponse)
def list_leads(
    request: Request,
    session: Snapshot,
    customer_id: Id,
    period: str,
    product_id: Id | None = None,
    lead_type: Text | None = None,
    user: Text | None = None,
    lead: Text | None = None,
    cursor: Cursor = None,
) -> HTMLResponse:
    """What each lead of a report comes to, the largest first."""
    month = find_month(session, customer_id, period_of(period), counts_doubts=False)
    search = LineSearch(product_id, lead_type, user, lead)
    return _page(request, session, month, find_leads, search, cursor)


def _page(
    request: Request,
    session: Session,
    month: Month,
    find: _Find,
    search: LineSearch,
    cursor: str | None,
) -> HTMLResponse:
    def after(place: GroupPlace | None, most: int) -> list[FoundGroup]:
        return find(session, month, GroupSearch(search, place, most))

    kind = "leads" if find is find_leads else "users"
    names = ["product_id", "lead_type", "user", "lead"] if kind == "leads" else ["user"]
    return list_page(
        request,
        "report_groups.html",
        "Reports",
        GROUPS.page(after, cursor, GROUPS_A_PAGE, of_month(month, kind, search)),
        names,
        kind=kind,
        customer=month.customer,
        period=month.period,
    )
