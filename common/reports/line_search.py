"""Finding lines of one report: by filter, in any column's order, a page at a time.

Invariant: what is found was decided over the whole month first; a filter never changes a line.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, TextClause, text

from common.billing_period import Period
from common.catalog.models import Customer
from common.enums import EngagementLevel, Outcome
from common.final_reports.models import BillingReport
from common.final_reports.store import FINAL_LINE_SOURCE
from common.problems import NotFound
from common.rating.card_in_force import rate_card_in_force
from common.rating.line import Line
from common.rating.rated_lines import LINE_SOURCE, RATED
from common.rating.scope import Scope
from common.rating.totals import Totals

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
class LinesWanted:
    """Which lines of a report are wanted, and in which order; what is None does not narrow.

    `lead` and `user` are any part of a lead's id, or of an email, phone number or external id, in
    either case of letters.
    """

    product_id: str | None = None
    lead_type: str | None = None
    user: str | None = None
    lead: str | None = None
    engagement_level: EngagementLevel | None = None
    outcome: Outcome | None = None
    sort: LineSort = LineSort.TIME
    direction: Direction = Direction.ASCENDING
    page: int = 1


@dataclass(frozen=True, slots=True)
class LinesFound:
    """A page of lines, and the totals of all lines that fit; those have no count of leads."""

    wanted: LinesWanted
    lines: list[Line]
    totals: Totals

    @property
    def first(self) -> int:
        """The number of the page's first line among those that fit, from 1."""
        return (self.wanted.page - 1) * LINES_A_PAGE + 1

    @property
    def last(self) -> int:
        return self.first + len(self.lines) - 1

    @property
    def pages(self) -> int:
        return -(-self.totals.actions // LINES_A_PAGE)


_FITS = """
where (cast(:product_id as text) is null or product = :product_id)
    and (cast(:lead_type as text) is null or lead_type = :lead_type)
    and (cast(:user as text) is null or strpos(lower(user_name), lower(:user)) > 0)
    and (cast(:lead as text) is null or strpos(lower(lead), lower(:lead)) > 0)
    and (
        cast(:level as engagement_level) is null
        or engagement_level = cast(:level as engagement_level)
    )
    and (
        cast(:outcome as text) is null
        or :outcome = case
            when original_action_id is not null then 'duplicate'
            when cap_cents = 0 then 'billed'
            when billed_cents > 0 then 'partially_capped'
            else 'capped'
        end
    )
"""

_ORDERS = {
    LineSort.TIME: "timestamp",
    LineSort.LEAD: 'lead collate "C"',
    LineSort.PRODUCT: 'product collate "C"',
    LineSort.LEAD_TYPE: 'lead_type collate "C"',
    LineSort.USER: 'user_name collate "C"',
    LineSort.ACTION: 'action_type collate "C"',
    LineSort.GROSS: "gross_cents",
    LineSort.SAVED: "duplicate_cents + cap_cents",
    LineSort.BILLED: "billed_cents",
}
_DRAFT_PLACE = "timestamp, lead_created_at, lead_id, action_key, engagement_level, occurrence"
_FINAL_PLACE = "line_number"
_MEMBERS = (
    "period, action_id, lead, product, lead_type, user_name, user_key, action_type, "
    "engagement_level, timestamp, gross_cents, billed_cents, duplicate_cents, cap_cents, "
    "cap_limit_cents, cap_used_before_cents, original_lead, original_action_id, "
    "original_timestamp, rate, has_user"
)


def find_lines(
    connection: Connection,
    customer: Customer,
    period: Period,
    stored: BillingReport | None,
    wanted: LinesWanted,
) -> LinesFound:
    """A page of a month's own lines: of its final report where it is `stored`, else of its draft.

    Raises NotFound for a page behind the last.
    """
    if stored is None:
        query = _search(f"with {RATED}, source as ({LINE_SOURCE})", _DRAFT_PLACE, wanted)
        parameters = Scope([(customer.customer_id, period.start)]).parameters()
    else:
        of_report = "where final.report_id = :report_id and final.line_number <= :last"
        source = f"with source as ({FINAL_LINE_SOURCE} {of_report})"
        query = _search(source, _FINAL_PLACE, wanted)
        parameters = {"report_id": str(stored.report_id), "last": stored.action_count}
    rows = connection.execute(query, parameters | _parameters(wanted)).all()
    if not rows and wanted.page > 1:
        raise NotFound(f"there is no page {wanted.page} of these lines")
    gross, billed, duplicate, cap, actions = rows[0][-5:] if rows else (0,) * 5
    card = rate_card_in_force(connection, customer.customer_id, period.start)
    caps_product = card is not None and card.caps_product
    return LinesFound(
        wanted,
        [Line(*row[:-5])._replace(caps_product=caps_product) for row in rows],
        Totals(gross, billed, duplicate, cap, actions=actions),
    )


def _search(source: str, place: str, wanted: LinesWanted) -> TextClause:
    descending = " desc" if wanted.direction is Direction.DESCENDING else ""
    order = f"{_ORDERS[wanted.sort]}{descending} nulls last"
    return text(
        f"""
{source},

fitting as materialized (select * from source {_FITS}),

-- Materialized: joined as it is, it may be added up again for every line.
sums as materialized (
    select
        coalesce(sum(gross_cents), 0)::bigint as all_gross_cents,
        coalesce(sum(billed_cents), 0)::bigint as all_billed_cents,
        coalesce(sum(duplicate_cents), 0)::bigint as all_duplicate_cents,
        coalesce(sum(cap_cents), 0)::bigint as all_cap_cents,
        count(*) as all_lines
    from fitting
)

select {_MEMBERS}, sums.*
from fitting
cross join sums
order by {order}, {place}
limit :most offset :skipped
"""
    )


def _parameters(wanted: LinesWanted) -> dict[str, Any]:
    return {
        "product_id": wanted.product_id,
        "lead_type": wanted.lead_type,
        "user": wanted.user,
        "lead": wanted.lead,
        "level": wanted.engagement_level and wanted.engagement_level.value,
        "outcome": wanted.outcome and wanted.outcome.value,
        "most": LINES_A_PAGE,
        "skipped": (wanted.page - 1) * LINES_A_PAGE,
    }
