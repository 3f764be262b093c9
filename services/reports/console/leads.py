"""/console/leads: finding leads; /console/lead: one lead, with the cost of each action."""

from dataclasses import replace
from functools import partial
from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse

from common.catalog.lead_types import list_lead_types
from common.disputes.search import disputes_of_lead
from common.enums import DisputeStatus, EngagementLevel
from common.leads.search import LeadFilter, find_leads, get_lead
from common.rating.line import total_of
from common.reports.lead_history import lead_lines
from common.request_model import Id
from common.settings import settings
from common.voiding.void import voidable_actions, voided_actions
from services.reports.api.dependencies import Cursor, Now, Snapshot, lead_filter, period_of
from services.reports.api.pagination import LEADS
from services.reports.console.pages import list_page, page
from services.reports.http.routes import Router

router = Router()

LEADS_A_PAGE = 50


@router.get("/console/leads", response_class=HTMLResponse)
def list_leads(
    request: Request,
    session: Snapshot,
    lead_filters: Annotated[LeadFilter, Depends(lead_filter)],
    without_user: bool = False,
    in_doubt: bool = False,
    active_in: str | None = None,
    cursor: Cursor = None,
) -> HTMLResponse:
    """Stored leads, newest first, by the filters of GET /leads."""
    if without_user:
        lead_filters = replace(lead_filters, has_user=False)
    if in_doubt:
        lead_filters = replace(lead_filters, is_in_doubt=True)
    if active_in:
        lead_filters = replace(lead_filters, active_in=period_of(active_in, "active_in"))
    find = partial(find_leads, session, lead_filters, settings().user_secret)
    return list_page(
        request,
        "leads.html",
        "Leads",
        LEADS.page(find, cursor, LEADS_A_PAGE, lead_filters),
        [
            *("customer_id", "product_id", "lead_type", "user", "engagement_level", "action_type"),
            *("from", "to", "without_user", "in_doubt", "active_in"),
        ],
        lead_types=list_lead_types(session),
        levels=[level.value for level in EngagementLevel],
    )


@router.get("/console/lead", response_class=HTMLResponse)
def show_lead(
    request: Request, session: Snapshot, now: Now, id: Id, customer_id: Id | None = None
) -> HTMLResponse:
    """One lead with its actions in the order of time, each with its cost and the reason."""
    lead = get_lead(session, id, customer_id)
    lines = lead_lines(session, lead)
    disputes = disputes_of_lead(session, lead.customer_id, lead.lead_id)
    disputed = {str(line.action_id): found.dispute for found in disputes for line in found.lines}
    voidable = set(map(str, voidable_actions(session, lead)))
    return page(
        request,
        "lead.html",
        "Leads",
        lead=lead,
        lines=lines,
        voidable=voidable,
        may_void_all=len(voidable) == len(lines),
        voided=voided_actions(session, lead),
        totals=total_of(rated.line for rated in lines),
        disputes=disputes,
        disputed=disputed,
        disputable={
            rated.line.action_id
            for rated in lines
            if rated.line.billed_cents
            and (rated.dispute_until is None or now < rated.dispute_until)
            and (
                (dispute := disputed.get(rated.line.action_id)) is None
                or dispute.status is DisputeStatus.REJECTED
            )
        },
        zone=lead.customer.timezone,
    )
