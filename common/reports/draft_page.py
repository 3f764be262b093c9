"""Whom to rate for a draft: for a page of lines the page's users, and not the whole month.

Invariant: each line that is shown was rated with all actions of its user's month, and a filter only
leaves out users of whom no line is shown (docs/decisions/0020-standing-totals.md).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from common.database.sql_loader import load_statement
from common.rating.line import LineKey, line_key_parameters
from common.rating.periods import RatingScope
from common.reports.line_search import Direction, LineSearch

_DRAFT_PAGE = text(load_statement("reports", "draft_page"))


@dataclass(frozen=True, slots=True)
class DraftPage:
    """Whom to rate of a month for a page of its lines.

    `users` are those of the page's lines, `behind` those that the standing totals do not hold: all
    if None is among them. `action_ids` are the page's actions where they are known before they are
    rated, with times from `start` and before `end`. There is one more of them than the page has
    lines if another page follows.
    """

    users: list[str]
    behind: Sequence[str | None]
    action_ids: list[str] | None = None
    lead_search: str | None = None
    start: datetime | None = None
    end: datetime | None = None

    def scope(
        self, customer_id: UUID, period: date, late: Sequence[tuple[UUID, date]] = ()
    ) -> RatingScope:
        """What is rated for the page and the totals, and the closed months with late actions.

        The lines of users who are behind are rated to the month's end, since their totals are.
        """
        if not self.behind and not late:
            return self.scope_of_lines(customer_id, period)
        known = {user for user in self.behind if user is not None}
        users = [None] if None in self.behind else sorted(known.union(self.users))
        pairs = [(customer_id, period)] * len(users)
        return RatingScope([*pairs, *late], user_keys=[*users, *[None] * len(late)])

    def scope_of_lines(self, customer_id: UUID, period: date) -> RatingScope:
        """What is rated for the page's lines alone: nobody who is behind, and nothing later."""
        pairs = [(customer_id, period)] * len(self.users)
        return RatingScope(pairs, user_keys=self.users, start=self.start, end=self.end)

    def parameters(self) -> dict[str, Any]:
        parameters: dict[str, Any] = {
            "rated_users": self.behind,
            "action_ids": self.action_ids,
            "lead_search": self.lead_search,
        }
        if self.action_ids is not None:  # chosen already
            parameters |= line_key_parameters(None) | {"max_lines": None, "skipped_lines": 0}
        return parameters


WHOLE_MONTH = DraftPage([], behind=[None])


def draft_parameters(
    pairs: Sequence[tuple[UUID, date]],
    page: DraftPage,
    search: LineSearch,
    *,
    after: LineKey | None,
    limit: int | None,
) -> dict[str, Any]:
    """What the statement of a draft takes; `pairs`: its month, then the months of late actions."""
    (customer_id, period), *late = pairs
    return (
        page.scope(customer_id, period, late).parameters()
        | search.parameters()
        | line_key_parameters(after)
        | {"customer_id": str(customer_id), "period": period}
        | ({} if limit is None else {"max_lines": limit + 1})
        | page.parameters()
    )


def find_page(
    session: Session,
    customer_id: UUID,
    period: date,
    search: LineSearch,
    *,
    after: LineKey | None,
    limit: int | None,
) -> DraftPage:
    """Whom to rate for the lines of a search, or of the page behind `after`.

    The whole month for all lines, for lines by a column that is neither their time nor known of
    their lead, and for the totals of lines of one level.
    """
    page = search.parameters() | ({} if limit is None else {"max_lines": limit + 1})
    is_by_level = search.engagement_level is not None and search.page is not None
    if page["max_lines"] is None or search.is_by_amount_or_text or is_by_level:
        return WHOLE_MONTH
    filters = search.lead_filters()
    lead_search = json.dumps(filters) if any(filters.values()) else None
    parameters = {
        "customer_ids": [str(customer_id)],
        "customer_id": str(customer_id),
        "period": period,
        "is_taken": False,
        "lead_search": lead_search,
        "level": search.engagement_level,
        "outcome": search.outcome,
        "is_descending": search.sort is not None and search.direction is Direction.DESCENDING,
        "max_lines": page["max_lines"],
        "skipped_lines": page["skipped_lines"],
    }
    row = session.execute(_DRAFT_PAGE, parameters | line_key_parameters(after)).one()
    if row.is_whole and (lead_search is not None or row.action_ids is None):
        return WHOLE_MONTH
    return DraftPage(
        row.users,
        [None] if row.is_whole else row.users_behind,
        row.action_ids,
        lead_search,
        row.starts_at,
        row.ends_at,
    )
