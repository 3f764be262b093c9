"""/billing/disputes: what a customer does not want to pay, and what came of it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from common import identifiers
from common.disputes import search
from common.disputes.open import open_dispute, resolve_dispute
from common.disputes.schemas import NewDispute, Resolution
from common.disputes.search import DisputeFilter, DisputeKey, get_dispute
from common.enums import DisputeStatus
from common.request_model import Id
from services.reports.api.dependencies import (
    Cursor,
    Now,
    PageSize,
    Snapshot,
    Transaction,
    period_of,
)
from services.reports.api.pagination import cut_page, from_cursor, to_cursor
from services.reports.api.schemas.disputes import Dispute, DisputeList

router = APIRouter(prefix="/billing/disputes", tags=["disputes"])


@router.post("", status_code=201)
def post_dispute(session: Transaction, now: Now, body: NewDispute) -> Dispute:
    """Disputes a billed line of a final report, or a whole lead: each of its lines that can be.

    A line can be disputed for as many days after its report was closed as the report's rate card
    says, while no other dispute of it is open or was accepted; after a rejection again.
    """
    return Dispute.from_found(open_dispute(session, body, now))


@router.get("")
def list_disputes(
    session: Snapshot,
    customer_id: Id | None = None,
    status: DisputeStatus | None = None,
    period: Annotated[
        str | None, Query(description="The month of a report with a disputed line.")
    ] = None,
    limit: PageSize = 50,
    cursor: Cursor = None,
) -> DisputeList:
    """Disputes, the newest first."""
    filters = DisputeFilter(
        customer_id=None if customer_id is None else identifiers.customer_id(customer_id),
        status=status,
        period=None if period is None else period_of(period),
    )
    after = None if cursor is None else from_cursor(cursor, DisputeKey)
    page, last = cut_page(search.list_disputes(session, filters, after, limit + 1), limit)
    return DisputeList(
        data=[Dispute.from_found(found) for found in page],
        next_cursor=last and to_cursor(DisputeKey(last.dispute.opened_at, last.dispute.dispute_id)),
    )


@router.get("/{dispute_id}")
def show_dispute(session: Snapshot, dispute_id: UUID) -> Dispute:
    """One dispute, with its lines and where each is credited."""
    return Dispute.from_found(get_dispute(session, dispute_id))


@router.post("/{dispute_id}/accept")
def accept_dispute(
    session: Transaction, now: Now, dispute_id: UUID, body: Resolution | None = None
) -> Dispute:
    """Credits what the disputed lines had billed, on the customer's next report.

    It stands on the draft of the first open month, and is final when that is closed. Accepting
    again changes nothing; a rejected dispute stays rejected (409).
    """
    decision = body or Resolution()
    return Dispute.from_found(
        resolve_dispute(session, dispute_id, DisputeStatus.ACCEPTED, decision, now)
    )


@router.post("/{dispute_id}/reject")
def reject_dispute(
    session: Transaction, now: Now, dispute_id: UUID, body: Resolution | None = None
) -> Dispute:
    """Leaves the disputed lines billed. Rejecting again changes nothing; an accepted dispute
    stays accepted (409)."""
    decision = body or Resolution()
    return Dispute.from_found(
        resolve_dispute(session, dispute_id, DisputeStatus.REJECTED, decision, now)
    )
