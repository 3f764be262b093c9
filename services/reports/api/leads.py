"""/leads: finding leads, what became of each, and those in quarantine."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends

from common.disputes.search import disputes_of_lead
from common.enums import EngagementLevel
from common.leads.quarantine import QuarantineKey, quarantined_leads, replay
from common.leads.search import LeadFilter, LeadKey, find_leads, get_lead
from common.reports.lead_history import lead_lines
from common.settings import settings
from services.reports.api.dependencies import (
    Cursor,
    Id,
    PageSize,
    Range,
    Snapshot,
    Text,
    Transaction,
)
from services.reports.api.documents import (
    decided_lead_document,
    lead_document,
    quarantined_document,
)
from services.reports.api.pagination import from_cursor, to_cursor
from services.reports.api.schemas import (
    DecidedLeadShape,
    LeadListShape,
    QuarantineListShape,
    ResultShape,
)

router = APIRouter(prefix="/leads", tags=["leads"])


@router.get("", response_model=None, responses={200: {"model": LeadListShape}})
def list_leads(
    connection: Snapshot,
    created: Annotated[Range, Depends()],
    customer_id: Id | None = None,
    product_id: Id | None = None,
    lead_type: Text | None = None,
    user: Text | None = None,
    engagement_level: EngagementLevel | None = None,
    action_type: Text | None = None,
    limit: PageSize = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Stored leads, newest first by `created_at`.

    `user` finds the leads billed under an email, phone or external id; `engagement_level` and
    `action_type` those with such an action.
    """
    wanted = LeadFilter(
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
    secret = settings().user_secret
    found = find_leads(connection, wanted, secret, after, limit + 1)
    page = found[:limit]
    last = page[-1].lead if len(found) > limit else None
    return {
        "data": [lead_document(each) for each in page],
        "next_cursor": last and to_cursor(LeadKey(last.created_at, last.lead_id)),
    }


@router.get("/quarantined", response_model=None, responses={200: {"model": QuarantineListShape}})
def list_quarantined_leads(
    connection: Snapshot, limit: PageSize = 50, cursor: Cursor = None
) -> dict[str, Any]:
    """Valid leads of unknown customers or products, kept until they are replayed."""
    after = None if cursor is None else from_cursor(cursor, QuarantineKey)
    held = quarantined_leads(connection, after, limit + 1)
    page = held[:limit]
    last = page[-1] if len(held) > limit else None
    return {
        "data": [quarantined_document(each) for each in page],
        "next_cursor": last and to_cursor(QuarantineKey(last.received_at, last.quarantine_id)),
    }


@router.post(
    "/quarantined/{quarantine_id}/replay",
    response_model=None,
    responses={200: {"model": ResultShape}},
)
def replay_quarantined_lead(connection: Transaction, quarantine_id: UUID) -> dict[str, Any]:
    """Takes a quarantined lead in, now that its customer and product are registered."""
    return replay(connection, quarantine_id, settings(), datetime.now(UTC)).document()


@router.get("/{lead_id:id}", response_model=None, responses={200: {"model": DecidedLeadShape}})
def show_lead(connection: Snapshot, lead_id: Id) -> dict[str, Any]:
    """One lead, with each action's outcome in its month's report, and the newest dispute of it."""
    found = get_lead(connection, lead_id)
    lead = found.lead
    decided = lead_lines(connection, lead.customer, lead.user_key, lead.lead_id)
    disputed = disputes_of_lead(connection, lead.lead_id)
    return decided_lead_document(found, decided, disputed)
