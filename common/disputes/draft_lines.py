"""Disputed lines of drafts, each with what it is billed now.

Invariant: nothing of the amount is stored before the report closes. Until then it follows the
draft; closing keeps what the line is billed (docs/billing-rules.md, Return).
"""

from collections.abc import Collection
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from common.database.sql_loader import load_statement
from common.enums import DisputeReason, DisputeStatus, EngagementLevel
from common.rating.periods import RatingScope
from common.rating.rated_lines import rated_lines

_DISPUTED_DRAFT_LINES = text(load_statement("disputes", "disputed_draft_lines"))


class DisputedDraftLine(NamedTuple):
    """A disputed line of a draft. `report_period` is the draft's, `period` the line's own month."""

    customer_id: UUID
    dispute_id: UUID
    status: DisputeStatus
    reason: DisputeReason
    decided_at: datetime | None
    lead: str
    action_id: UUID
    user_key: UUID
    action_type: str
    engagement_level: EngagementLevel
    timestamp: datetime
    period: date
    report_period: date
    billed_cents: int = 0


def disputed_draft_lines(
    session: Session,
    customer_id: UUID | None = None,
    dispute_ids: Collection[UUID] | None = None,
) -> list[DisputedDraftLine]:
    """Those of one customer or all, and of some disputes or all, in canonical order.

    Rates the users behind them alone, and nothing where no line of a draft is disputed.
    """
    rows = session.execute(
        _DISPUTED_DRAFT_LINES,
        {
            "customer_id": customer_id and str(customer_id),
            "dispute_ids": None if dispute_ids is None else [str(each) for each in dispute_ids],
        },
    )
    disputed = [DisputedDraftLine(*row) for row in rows]
    if not disputed:
        return []
    users = sorted({(line.customer_id, line.period, line.user_key) for line in disputed})
    scope = RatingScope(
        [(customer, period) for customer, period, _ in users], [user for _, _, user in users]
    )
    # An action without a price is billed nothing here; its draft is refused for it.
    billed = {line.action_id: line.billed_cents or 0 for line, _ in rated_lines(session, scope)}
    places = {action_id: place for place, action_id in enumerate(billed)}
    disputed.sort(key=lambda line: places[str(line.action_id)])
    return [
        line._replace(
            status=DisputeStatus(line.status),
            reason=DisputeReason(line.reason),
            engagement_level=EngagementLevel(line.engagement_level),
            billed_cents=billed[str(line.action_id)],
        )
        for line in disputed
    ]
