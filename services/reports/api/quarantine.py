"""/quarantine: valid leads of unknown customers or products.

The first addresses, below /leads/quarantined, go on working.
"""

from functools import partial
from typing import Annotated
from urllib.parse import parse_qs
from uuid import UUID

from fastapi import Depends
from starlette.routing import Match
from starlette.types import Scope

from common.database.transactions import transaction
from common.leads.quarantine import (
    QuarantineFilter,
    QuarantineKey,
    count_quarantined,
    dismiss,
    dismiss_matching,
    get_quarantined,
    quarantined_leads,
)
from common.leads.replay import replay_one, replay_piece, require_stored
from common.settings import settings
from services.reports.api.dependencies import Cursor, Now, PageSize, Snapshot, Transaction
from services.reports.api.pagination import QUARANTINE, from_cursor, to_cursor
from services.reports.api.schemas.leads import IngestionResult
from services.reports.api.schemas.quarantine import (
    Dismissal,
    DismissBody,
    QuarantinedLead,
    QuarantineFilters,
    QuarantineList,
    Replay,
    ReplayBody,
)
from services.reports.http.routes import Route, Router


class _UnlessCustomerIsNamed(Route):
    """Leaves the address to a lead called `quarantined` where the query has a `customer_id`."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        query = scope.get("query_string", b"").decode("latin-1")
        if "customer_id" in parse_qs(query, keep_blank_values=True):
            return Match.NONE, {}
        return super().matches(scope)


router = Router(tags=["quarantine"])
_old_list = Router(tags=["quarantine"], deprecated=True, route_class=_UnlessCustomerIsNamed)


@router.get("/quarantine")
def list_quarantined_leads(
    session: Snapshot,
    filters: Annotated[QuarantineFilters, Depends()],
    limit: PageSize = 50,
    cursor: Cursor = None,
) -> QuarantineList:
    """Leads that wait for a replay, newest first.

    `customer_id` and `product_id` may be of a customer or product that is not registered yet.
    """
    find = partial(quarantined_leads, session, filters.chosen)
    return QUARANTINE.answer(QuarantineList, find, cursor, limit, filters.chosen)


@_old_list.get("/leads/quarantined")
def list_quarantined_leads_at_first_address(
    session: Snapshot, limit: PageSize = 50, cursor: Cursor = None
) -> QuarantineList:
    """Leads that wait for a replay, newest first, as `GET /quarantine` lists them.

    With `customer_id` this is the address of a lead with the id `quarantined`.
    """
    filters = QuarantineFilter()
    find = partial(quarantined_leads, session, filters)
    return QUARANTINE.answer(QuarantineList, find, cursor, limit, filters)


@router.get("/quarantine/{quarantine_id:uuid}")
def show_quarantined_lead(session: Snapshot, quarantine_id: UUID) -> QuarantinedLead:
    """A quarantined lead as it was posted; `replayed_at` says when a replay stored it."""
    return QuarantinedLead.model_validate(get_quarantined(session, quarantine_id))


@router.post("/leads/quarantined/replay", deprecated=True, operation_id="replay_leads_at_first")
@router.post("/quarantine/replay")
def replay_quarantined_leads(body: ReplayBody, now: Now) -> Replay:
    """Replays the leads of a filter in order of arrival, a piece at a time.

    Send the same body with `next_cursor` as `cursor` until `next_cursor` is null. Versions of one
    lead are taken by order of arrival: an earlier one is replayed along, also where the filter
    leaves it out. Leads that cannot be stored stay in quarantine.
    """
    whole = "replay", body.chosen
    after = from_cursor(body.cursor, QuarantineKey, whole)
    with transaction() as session:
        piece = replay_piece(session, body.chosen, settings(), now, after=after, limit=body.limit)
    return Replay.from_piece(piece, piece.next_key and to_cursor(piece.next_key, whole))


@router.post(
    "/leads/quarantined/{quarantine_id:uuid}/replay",
    deprecated=True,
    operation_id="replay_lead_at_first",
)
@router.post("/quarantine/{quarantine_id:uuid}/replay")
def replay_quarantined_lead(quarantine_id: UUID, now: Now) -> IngestionResult:
    """Stores a quarantined lead, now that its customer and product are registered.

    An earlier version of the lead that waits too is replayed first.
    """
    with transaction() as session:
        result = replay_one(session, quarantine_id, settings(), now)
    require_stored(result)  # outside, so that the earlier version stays stored
    return IngestionResult.model_validate(result)


@router.post("/quarantine/dismiss")
def dismiss_quarantined_leads(session: Transaction, body: DismissBody) -> Dismissal:
    """Deletes the leads of a filter that wait, for good, and notes each in the audit log.

    Send the same body again until `remaining` is 0.
    """
    dismissed = dismiss_matching(session, body.chosen, body.limit)
    return Dismissal(dismissed=dismissed, remaining=count_quarantined(session, body.chosen))


@router.delete(
    "/leads/quarantined/{quarantine_id:uuid}",
    status_code=204,
    deprecated=True,
    operation_id="dismiss_lead_at_first",
)
@router.delete("/quarantine/{quarantine_id:uuid}", status_code=204)
def dismiss_quarantined_lead(session: Transaction, quarantine_id: UUID) -> None:
    """Deletes a lead that waits, for good, and notes it in the audit log."""
    dismiss(session, quarantine_id)


router.include_router(_old_list)
