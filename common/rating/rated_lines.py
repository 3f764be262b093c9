"""Rating: the lines of billing periods, each with its price and outcome.

Invariant: every amount comes from the rating statement; part of a period is selected after the
whole of it was rated (docs/billing-rules.md, Part of a period).
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from common.database.sql_loader import load_statement
from common.enums import EngagementLevel
from common.rating.line import Line
from common.rating.scope import Scope

LINES_AT_ONCE = 1_000
_LINES = text(load_statement("rating", "rated_lines"))


class LineKey(NamedTuple):
    """Where a line stands in canonical order (docs/billing-rules.md, Canonical order)."""

    timestamp: datetime
    lead_created_at: datetime
    lead_id: UUID
    action_key: str
    engagement_level: EngagementLevel
    occurrence: int


def lines(
    session: Session, scope: Scope, *, lead_id: UUID | None = None
) -> Iterator[tuple[Line, LineKey]]:
    """The lines that `scope` shows, in canonical order, as they arrive from the database."""
    rows = session.execute(
        _LINES,
        scope.parameters() | {"lead_id": lead_id and str(lead_id)},
        execution_options={"stream_results": True, "yield_per": LINES_AT_ONCE},
    )
    for row in rows:
        *members, lead_created_at, lead, action_key, occurrence = row
        line = Line(*members)
        level = EngagementLevel(line.engagement_level)
        yield line, LineKey(line.timestamp, lead_created_at, lead, action_key, level, occurrence)
