"""/leads: finding leads, and what became of each."""

from typing import Annotated

from fastapi import APIRouter, Depends

from common.disputes.search import disputes_of_lead
from common.enums import EngagementLevel
from common.leads.search import LeadFilter, LeadKey, find_leads, get_lead
from common.reports.lead_history import lead_lines
from common.request_model import Id
from common.settings import settings
from services.reports.api.dependencies import Cursor, PageSize, Range, Snapshot, Text
from services.reports.api.pagination import cut_page, from_cursor, to_cursor
from services.reports.api.schemas.leads import LeadList, RatedLead, StoredLead

router = APIRouter(prefix="/leads", tags=["leads"])


@router.get("")
def list_leads(
    session: Snapshot,
    created: Annotated[Range, Depends()],
    customer_id: Id | None = None,
    product_id: Id | None = None,
    lead_type: Text | None = None,
    user: Text | None = None,
    engagement_level: EngagementLevel | None = None,
    action_type: Text | None = None,
    limit: PageSize = 50,
    cursor: Cursor = None,
) -> LeadList:
    """Stored leads, newest first by `created_at`.

    `user` finds the leads billed under an email, phone or external id; `engagement_level` and
    `action_type` those with such an action.
    """
    filters = LeadFilter(
        customer_id=customer_id,
        product_id=product_id,
        lead_type=lead_type,
        user=user,
        engagement_level=engagement_level,
        action_type=action_type,
        start=created.start,
        end=created.end,
    )
    after = None if cursor is None else from_cursor(cursor, LeadKey)
    found = find_leads(session, filters, settings().user_secret, after, limit + 1)
    page, last = cut_page(found, limit)
    return LeadList(
        data=[StoredLead.from_lead(lead) for lead in page],
        next_cursor=last and to_cursor(LeadKey(last.lead.created_at, last.lead.lead_id)),
    )


@router.get("/{lead_id:id}")
def show_lead(session: Snapshot, lead_id: Id, customer_id: Id | None = None) -> RatedLead:
    """One lead, with each action's outcome in its month's report, and the newest dispute of it.

    `customer_id` is needed where several customers have a lead of that id (409).
    """
    lead = get_lead(session, lead_id, customer_id)
    disputes = disputes_of_lead(session, lead.customer_id, lead.lead_id)
    return RatedLead.from_lines(lead, lead_lines(session, lead), disputes)
