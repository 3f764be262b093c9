"""Rating: the lines of billing periods, each with its price and outcome.

Invariant: every amount comes from the rating statement; part of a period is selected after the
whole of it was rated (docs/billing-rules.md, Part of a period).
"""

from collections.abc import Iterator, Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from common.database.sql_loader import load_statement
from common.rating.line import LINES_AT_ONCE, Line, LineKey, line_key_of, line_of
from common.rating.periods import RatingScope

_RATED_LINES = text(load_statement("rating", "rated_lines"))


def rated_lines(
    session: Session,
    scope: RatingScope,
    *,
    lead_ids: Sequence[UUID] | None = None,
    action_ids: list[str] | None = None,
) -> Iterator[tuple[Line, LineKey]]:
    """The lines that `scope` shows, in canonical order, as they arrive from the database.

    Of some leads or of some actions, or all of them.
    """
    named = None if lead_ids is None else [str(lead_id) for lead_id in lead_ids]
    rows = session.execute(
        _RATED_LINES,
        scope.parameters() | {"lead_ids": named, "action_ids": action_ids},
        execution_options={"stream_results": True, "yield_per": LINES_AT_ONCE},
    )
    return ((line_of(row), line_key_of(row)) for row in rows)
