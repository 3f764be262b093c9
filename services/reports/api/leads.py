"""/leads: finding leads, and the outcome of each action."""

from functools import partial
from typing import Annotated

from fastapi import Depends

from common.catalog.filters import require_registered
from common.disputes.search import disputes_of_lead
from common.leads.search import LeadFilter, find_leads, get_lead
from common.reports.lead_history import lead_lines
from common.request_model import Id
from common.settings import settings
from common.voiding.void import voided_actions
from services.reports.api.dependencies import Cursor, PageSize, Snapshot, lead_filter
from services.reports.api.pagination import LEADS
from services.reports.api.schemas.leads import LeadList, RatedLead
from services.reports.http.routes import Router

router = Router(prefix="/leads", tags=["leads"])


@router.get("")
def list_leads(
    session: Snapshot,
    filters: Annotated[LeadFilter, Depends(lead_filter)],
    limit: PageSize = 50,
    cursor: Cursor = None,
) -> LeadList:
    """Stored leads, newest first by `created_at`.

    `user` finds the leads billed under an email, phone or external id; `engagement_level` and
    `action_type` those with such an action.
    """
    require_registered(
        session,
        customer_id=filters.customer_id,
        product_id=filters.product_id,
        lead_type=filters.lead_type,
    )
    find = partial(find_leads, session, filters, settings().user_secret)
    return LEADS.answer(LeadList, find, cursor, limit, filters)


@router.get("/{lead_id:id}")
def show_lead(session: Snapshot, lead_id: Id, customer_id: Id | None = None) -> RatedLead:
    """One lead, with each action's outcome in its month's report, and the newest dispute of it.

    A voided action is on no report: its outcome is `voided`.

    `customer_id` is needed where several customers have a lead of that id (409).
    """
    lead = get_lead(session, lead_id, customer_id)
    disputes = disputes_of_lead(session, lead.customer_id, lead.lead_id)
    return RatedLead.from_lines(
        lead, lead_lines(session, lead), disputes, voided_actions(session, lead)
    )
