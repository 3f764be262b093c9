"""Which lines of a report to show: by filter, in any column's order, a page at a time.

Invariant: a month is rated as a whole before a filter applies; a filter never changes a line.
"""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from common.enums import EngagementLevel, Outcome
from common.rating.line import Line, Totals

LINES_A_PAGE = 100


class LineSort(StrEnum):
    """A column that lines can be sorted by."""

    TIME = "time"
    LEAD = "lead"
    PRODUCT = "product"
    LEAD_TYPE = "lead_type"
    USER = "user"
    ACTION = "action"
    GROSS = "gross"
    SAVED = "saved"
    BILLED = "billed"


class Direction(StrEnum):
    """Which end of a column comes first."""

    ASCENDING = "asc"
    DESCENDING = "desc"


@dataclass(frozen=True, slots=True)
class LineSearch:
    """Which lines of a report to show, and in which order; a filter that is None is left out.

    `lead` and `user` are any part of a lead's id, or of an email, phone number or external id, in
    upper or lower case. Without `sort` the lines come in canonical order; without `page`, all.
    """

    product_id: str | None = None
    lead_type: str | None = None
    user: str | None = None
    lead: str | None = None
    engagement_level: EngagementLevel | None = None
    outcome: Outcome | None = None
    sort: LineSort | None = None
    direction: Direction = Direction.ASCENDING
    page: int | None = None

    @property
    def is_by_amount_or_text(self) -> bool:
        """Whether the lines are sorted by something else than their time."""
        return self.sort not in {None, LineSort.TIME}

    @property
    def is_filtered(self) -> bool:
        """Whether lines are left out, other than those of other pages."""
        return any((*self.lead_filters().values(), self.engagement_level, self.outcome))

    def lead_filters(self) -> dict[str, str | None]:
        """The filters that find whole leads, with all their lines."""
        return {
            "product": self.product_id,
            "lead_type": self.lead_type,
            "user": self.user,
            "lead": self.lead,
        }

    def parameters(self) -> dict[str, Any]:
        """As the statements of draft and final reports take them."""
        line_filters = {"level": self.engagement_level, "outcome": self.outcome}
        return {
            "search": json.dumps(self.lead_filters() | line_filters),
            "sort": self.sort and self.sort.value,
            "is_descending": self.direction is Direction.DESCENDING,
            "max_lines": None if self.page is None else LINES_A_PAGE,
            "skipped_lines": 0 if self.page is None else (self.page - 1) * LINES_A_PAGE,
        }


ALL_LINES = LineSearch()


@dataclass(frozen=True, slots=True)
class LinesFound:
    """A page of lines, and the totals of all matching lines; those have no count of leads."""

    search: LineSearch
    lines: list[Line]
    totals: Totals

    @property
    def first(self) -> int:
        """The number of the page's first line among the matching ones, from 1."""
        return ((self.search.page or 1) - 1) * LINES_A_PAGE + 1

    @property
    def last(self) -> int:
        return self.first + len(self.lines) - 1

    @property
    def pages(self) -> int:
        return -(-self.totals.actions // LINES_A_PAGE)
