"""/leads/quarantined: valid leads of unknown customers or products."""

from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter

from common.leads.quarantine import QuarantineKey, quarantined_leads, replay
from common.settings import settings
from services.reports.api.dependencies import Cursor, PageSize, Snapshot, Transaction
from services.reports.api.pagination import cut_page, from_cursor, to_cursor
from services.reports.api.schemas.leads import IngestionResult
from services.reports.api.schemas.quarantine import QuarantinedLead, QuarantineList

router = APIRouter(prefix="/leads/quarantined", tags=["leads"])


@router.get("")
def list_quarantined_leads(
    session: Snapshot, limit: PageSize = 50, cursor: Cursor = None
) -> QuarantineList:
    """Valid leads of unknown customers or products, kept until they are replayed."""
    after = None if cursor is None else from_cursor(cursor, QuarantineKey)
    page, last = cut_page(quarantined_leads(session, after, limit + 1), limit)
    return QuarantineList(
        data=[QuarantinedLead.from_stored(lead) for lead in page],
        next_cursor=last and to_cursor(QuarantineKey(last.received_at, last.quarantine_id)),
    )


@router.post("/{quarantine_id}/replay")
def replay_quarantined_lead(session: Transaction, quarantine_id: UUID) -> IngestionResult:
    """Stores a quarantined lead, now that its customer and product are registered."""
    result = replay(session, quarantine_id, settings(), datetime.now(UTC))
    return IngestionResult.from_result(result)
