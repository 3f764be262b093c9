"""Rating: the lines of billing periods, each with its price and outcome.

Invariant: every amount comes from the rating statement; part of a period is selected after the
whole of it was rated (docs/billing-rules.md, Part of a period).
"""

from collections.abc import Iterator
from datetime import datetime
from textwrap import indent
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text

from common.database.sql_loader import load_statement
from common.enums import EngagementLevel
from common.rating.line import Line
from common.rating.scope import Scope


def _deciding(priced: str, **pieces: str) -> str:
    statement = load_statement("rating", "decide_actions")
    pieces["priced"] = indent(load_statement("rating", priced), " " * 12).strip()
    for placeholder, piece in pieces.items():
        statement = statement.replace(f"{{{placeholder}}}", piece)
    return statement


RATED = _deciding(
    "price_actions",
    numbering="count(*) filter (where standing = 2)",
    place="standing, number",
    # Where the card charges duplicates, each action stands by itself.
    apart=", case when scope.charges_duplicates and lead_type = any(scope.duplicates_charged_for) "
    "then action_id end",
    capped_apart=", case when scope.caps_each_product then product_id end",
    charged_before="when standing < 2 then final_cents",
    to_decide="standing = 2",
    shown="timestamp >= shown_from and timestamp < shown_to",
)
# The same for whole open months on plain cards, in a quarter less time.
RATED_FLAT = _deciding(
    "price_plainly",
    numbering="row_number()",
    place="number",
    apart="",
    capped_apart="",
    charged_before="",
    to_decide="true",
    shown="true",
)
LINES_AT_ONCE = 1_000
SUMS = """
    coalesce(sum(gross_cents), 0)::bigint as gross_cents,
    coalesce(sum(billed_cents), 0)::bigint as billed_cents,
    coalesce(sum(duplicate_cents), 0)::bigint as duplicate_cents,
    coalesce(sum(cap_cents), 0)::bigint as cap_cents"""
_LINE_ORDER = "timestamp, lead_created_at, lead_id, action_key, engagement_level, occurrence"
# The members of a Line in their order, then what places it among the others.
LINE_SOURCE = """
select
    selected.period, selected.action_id::text, leads.external_id as lead,
    products.external_id as product, selected.lead_type,
    coalesce(leads.user_email, leads.user_phone, leads.user_external_id) as user_name,
    selected.user_key::text, selected.action_type, selected.engagement_level, selected.timestamp,
    selected.gross_cents, selected.billed_cents, selected.duplicate_cents, selected.cap_cents,
    selected.cap_limit_cents, selected.cap_used_before_cents,
    case when is_duplicate then original_leads.external_id end as original_lead,
    case when is_duplicate then original_action_id end::text as original_action_id,
    case when is_duplicate then original_timestamp end as original_timestamp, selected.rate,
    leads.has_user,
    selected.lead_created_at, selected.lead_id, selected.action_key, selected.occurrence
from selected
join leads on leads.lead_id = selected.lead_id
join products on products.product_id = selected.product_id
left join leads as original_leads
    on is_duplicate and original_leads.lead_id = selected.original_lead_id
"""
_LINES = text(
    f"""
with {RATED}
{LINE_SOURCE}
where (cast(:lead_id as uuid) is null or selected.lead_id = :lead_id)
    and (
        cast(:after_timestamp as timestamptz) is null
        or (
            selected.timestamp, selected.lead_created_at, selected.lead_id, selected.action_key,
            selected.engagement_level, selected.occurrence
        ) > (
            :after_timestamp, cast(:after_created as timestamptz), cast(:after_lead as uuid),
            cast(:after_key as text) collate "C", cast(:after_level as engagement_level),
            cast(:after_occurrence as int)
        )
    )
order by {", ".join(f"selected.{column}" for column in _LINE_ORDER.split(", "))}
limit :most
"""
)


class LineKey(NamedTuple):
    """Where a line stands in canonical order (docs/billing-rules.md, Canonical order)."""

    timestamp: datetime
    lead_created_at: datetime
    lead_id: UUID
    action_key: str
    engagement_level: EngagementLevel
    occurrence: int


def lines(
    connection: Connection,
    scope: Scope,
    *,
    lead_id: UUID | None = None,
    after: LineKey | None = None,
    most: int | None = None,
) -> Iterator[tuple[Line, LineKey]]:
    """The lines that `scope` shows, in canonical order, as they arrive from the database."""
    rows = connection.execute(
        _LINES,
        scope.parameters()
        | {
            "lead_id": lead_id and str(lead_id),
            "after_timestamp": after and after.timestamp,
            "after_created": after and after.lead_created_at,
            "after_lead": after and str(after.lead_id),
            "after_key": after and after.action_key,
            "after_level": after and after.engagement_level.value,
            "after_occurrence": after and after.occurrence,
            "most": most,
        },
        execution_options={"stream_results": True, "yield_per": LINES_AT_ONCE},
    )
    for row in rows:
        *members, created, lead, key, occurrence = row
        line = Line(*members)
        yield (
            line,
            LineKey(
                line.timestamp,
                created,
                lead,
                key,
                EngagementLevel(line.engagement_level),
                occurrence,
            ),
        )
