"""/console/leads: finding leads; /console/lead: one of them, with what each action cost."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from common.catalog.lead_types import list_lead_types
from common.disputes.search import disputes_of_lead
from common.enums import EngagementLevel
from common.leads.search import LeadFilter, LeadKey, find_leads, get_lead
from common.rating.line import total_of
from common.reports.lead_history import lead_lines
from common.request_model import Id
from common.settings import settings
from services.reports.api.dependencies import Cursor, Range, Snapshot, Text
from services.reports.api.pagination import cut_page, from_cursor, to_cursor
from services.reports.console.pages import page

router = APIRouter()

LEADS_A_PAGE = 50


@router.get("/console/leads", response_class=HTMLResponse)
def list_leads(
    request: Request,
    session: Snapshot,
    created: Annotated[Range, Depends()],
    customer_id: Id | None = None,
    product_id: Id | None = None,
    lead_type: Text | None = None,
    user: Text | None = None,
    engagement_level: EngagementLevel | None = None,
    action_type: Text | None = None,
    without_user: bool = False,
    cursor: Cursor = None,
) -> HTMLResponse:
    """Stored leads, newest first, by the filters of GET /leads."""
    wanted = LeadFilter(
        customer_id=customer_id,
        product_id=product_id,
        lead_type=lead_type,
        user=user,
        engagement_level=engagement_level,
        action_type=action_type,
        has_user=False if without_user else None,
        start=created.start,
        end=created.end,
    )
    after = None if cursor is None else from_cursor(cursor, LeadKey)
    secret = settings().user_secret
    found = find_leads(session, wanted, secret, after, LEADS_A_PAGE + 1)
    shown, last = cut_page(found, LEADS_A_PAGE)
    filters: dict[str, Any] = {
        "customer_id": customer_id,
        "product_id": product_id,
        "lead_type": lead_type,
        "user": user,
        "engagement_level": engagement_level and engagement_level.value,
        "action_type": action_type,
        "from": request.query_params.get("from"),
        "to": request.query_params.get("to"),
        "without_user": "true" if without_user else None,
    }
    return page(
        request,
        "leads.html",
        "leads",
        leads=shown,
        filters=filters,
        is_filtered=any(filters.values()),
        lead_types=list_lead_types(session),
        levels=[level.value for level in EngagementLevel],
        next_cursor=last and to_cursor(LeadKey(last.lead.created_at, last.lead.lead_id)),
    )


@router.get("/console/lead", response_class=HTMLResponse)
def show_lead(
    request: Request, session: Snapshot, id: Id, customer_id: Id | None = None
) -> HTMLResponse:
    """One lead with its actions, one after another, each with its cost and the reason."""
    lead = get_lead(session, id, customer_id)
    lines = lead_lines(session, lead)
    disputes = disputes_of_lead(session, lead.customer_id, lead.lead_id)
    return page(
        request,
        "lead.html",
        "leads",
        lead=lead,
        lines=lines,
        totals=total_of([each.line for each in lines]),
        disputes=disputes,
        disputed={str(line.action_id): found.dispute for found in disputes for line in found.lines},
        zone=lead.customer.timezone,
    )
