"""/billing/disputes: what a customer does not want to pay, and what came of it."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from common.disputes import search
from common.disputes.open import open_dispute, resolve_dispute
from common.disputes.schemas import NewDispute, Resolution
from common.disputes.search import DisputeFilter, DisputeKey, get_dispute
from common.enums import DisputeStatus
from common.identifiers import customer_id as uuid_of
from services.reports.api.dependencies import (
    Cursor,
    Id,
    Now,
    PageSize,
    Snapshot,
    Transaction,
    period_of,
)
from services.reports.api.documents import dispute_document
from services.reports.api.pagination import from_cursor, to_cursor
from services.reports.api.schemas import DisputeListShape, DisputeShape

router = APIRouter(prefix="/billing/disputes", tags=["disputes"])


@router.post("", status_code=201, response_model=None, responses={201: {"model": DisputeShape}})
def post_dispute(connection: Transaction, now: Now, body: NewDispute) -> dict[str, Any]:
    """Disputes a billed line of a final report, or a whole lead: each of its lines that can be.

    A line can be disputed for as many days after its report was closed as the report's rate card
    says, while no other dispute of it is open or was accepted; after a rejection again.
    """
    return dispute_document(open_dispute(connection, body, now))


@router.get("", response_model=None, responses={200: {"model": DisputeListShape}})
def list_disputes(
    connection: Snapshot,
    customer_id: Id | None = None,
    status: DisputeStatus | None = None,
    period: Annotated[
        str | None, Query(description="The month of a report with a disputed line.")
    ] = None,
    limit: PageSize = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Disputes, the newest first."""
    wanted = DisputeFilter(
        customer_id=None if customer_id is None else uuid_of(customer_id),
        status=status,
        period=None if period is None else period_of(period),
    )
    after = None if cursor is None else from_cursor(cursor, DisputeKey)
    found = search.list_disputes(connection, wanted, after, limit + 1)
    page = found[:limit]
    last = page[-1].dispute if len(found) > limit else None
    return {
        "data": [dispute_document(each) for each in page],
        "next_cursor": last and to_cursor(DisputeKey(last.opened_at, last.dispute_id)),
    }


@router.get("/{dispute_id}", response_model=None, responses={200: {"model": DisputeShape}})
def show_dispute(connection: Snapshot, dispute_id: UUID) -> dict[str, Any]:
    """One dispute, with its lines and where each is credited."""
    return dispute_document(get_dispute(connection, dispute_id))


@router.post("/{dispute_id}/accept", response_model=None, responses={200: {"model": DisputeShape}})
def accept_dispute(
    connection: Transaction, now: Now, dispute_id: UUID, body: Resolution | None = None
) -> dict[str, Any]:
    """Credits what the disputed lines had billed, on the customer's next report.

    It stands on the draft of the first open month, and is final when that is closed. Accepting
    again changes nothing; a rejected dispute stays rejected (409).
    """
    decision = body or Resolution()
    return dispute_document(
        resolve_dispute(connection, dispute_id, DisputeStatus.ACCEPTED, decision, now)
    )


@router.post("/{dispute_id}/reject", response_model=None, responses={200: {"model": DisputeShape}})
def reject_dispute(
    connection: Transaction, now: Now, dispute_id: UUID, body: Resolution | None = None
) -> dict[str, Any]:
    """Leaves the disputed lines billed. Rejecting again changes nothing; an accepted dispute
    stays accepted (409)."""
    decision = body or Resolution()
    return dispute_document(
        resolve_dispute(connection, dispute_id, DisputeStatus.REJECTED, decision, now)
    )
