"""/billing/disputes: lines that a customer does not want to pay, and its result."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Query

from common import identifiers
from common.catalog.filters import require_registered
from common.disputes import search
from common.disputes.disputing import open_dispute, resolve_dispute
from common.disputes.schemas import NewDispute, Resolution
from common.disputes.search import DisputeFilter, get_dispute
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
from services.reports.api.pagination import DISPUTES
from services.reports.api.schemas.disputes import Dispute, DisputeList
from services.reports.http.routes import Router

router = Router(prefix="/billing/disputes", tags=["disputes"])


@router.post("", status_code=201)
def post_dispute(session: Transaction, now: Now, body: NewDispute) -> Dispute:
    """Disputes a billed line of a final report, or a whole lead: each of its lines that can be.

    A line can be disputed for as many days after its report was closed as the report's rate card
    says, while no other dispute of it is open or was accepted; after a rejection again.
    """
    return Dispute.model_validate(open_dispute(session, body, now))


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
    require_registered(session, customer_id=customer_id)
    filters = DisputeFilter(
        customer_id=None if customer_id is None else identifiers.customer_id(customer_id),
        status=status,
        period=None if period is None else period_of(period),
    )
    find = partial(search.list_disputes, session, filters)
    return DISPUTES.answer(DisputeList, find, cursor, limit, filters)


@router.get("/{dispute_id}")
def show_dispute(session: Snapshot, dispute_id: UUID) -> Dispute:
    """One dispute, with its lines and where each is credited."""
    return Dispute.model_validate(get_dispute(session, dispute_id))


@router.post("/{dispute_id}/accept")
def accept_dispute(
    session: Transaction, now: Now, dispute_id: UUID, body: Resolution | None = None
) -> Dispute:
    """Credits what the disputed lines billed, on the report of the first open month.

    The credit is final when that month is closed. Accepting again changes nothing; a rejected
    dispute stays rejected (409).
    """
    resolution = body or Resolution()
    return Dispute.model_validate(
        resolve_dispute(session, dispute_id, DisputeStatus.ACCEPTED, resolution, now)
    )


@router.post("/{dispute_id}/reject")
def reject_dispute(
    session: Transaction, now: Now, dispute_id: UUID, body: Resolution | None = None
) -> Dispute:
    """Leaves the disputed lines billed. Rejecting again changes nothing; an accepted dispute
    stays accepted (409)."""
    resolution = body or Resolution()
    return Dispute.model_validate(
        resolve_dispute(session, dispute_id, DisputeStatus.REJECTED, resolution, now)
    )
