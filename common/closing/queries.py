"""The statements that make a month final, and that verify a final report.

Invariant: both go on from the same deciding statement, by steps that they share (sql/), and nothing
here is run.
"""

from sqlalchemy import TextClause, text

from common import identifiers
from common.database.prepared import PreparedStatement
from common.database.sql_loader import load_statement
from common.rating.card_in_force import CARDS_IN_FORCE
from common.rating.rated_lines import RATED, RATED_FLAT
from common.rating.scope import Scope

CANONICAL_FORM = 5  # the newest, which a report is closed in (docs/verification.md)
_FORMS_WITH_NAMES = {1, 2}  # of leads and products; later ones hold their UUIDs
_FORMS_OF_LINES = {1, 2, 3}  # each line is hashed; later ones hash whole blocks

# What the steps behind deciding are made of, for any months on any cards ...
_ANY_MONTHS = {
    "besides": "period, cap_limit_cents, rate, action_key, occurrence,",
    "block": "((period - date '0001-01-01') * 1000000000::bigint + (number - 1) / 250)",
    "month": "min(period)",
    "cap_limit": "min(cap_limit_cents)",
    "rates": "array_agg(nullif(rate, 'level') order by number)",
    "lines_before": "case when period = :period then 0 else "
    "(select lines_before from counted where counted.period = gathered.period) end",
}
# ... and for one whole open month on a plain card.
_PLAIN_MONTH = {
    "besides": "",
    "block": "((number - 1) / 250)",
    "month": "cast(:period as date)",
    "cap_limit": "(select cap_cents from scope)",
    # As many as there are leads, which are gathered anyway.
    "rates": "array_fill("
    "cast(null as text), array[cardinality(array_agg(lead_id order by number))])",
    "lines_before": "0",
}


def _behind(decided: str, steps: list[str], form: int, pieces: dict[str, str]) -> str:
    """A statement that goes on from what is `decided` by these steps, in a canonical form.

    `pieces` stand in the steps' placeholders.
    """

    def part(name: str) -> str:
        return load_statement("disputes" if name == "pending_credits" else "closing", name)

    rest = ",\n\n".join(map(part, steps))
    for placeholder, piece in (
        *pieces.items(),
        # Later forms hash no line, but lines are compared by what one of form 3 holds.
        ("canonical_line", part(f"canonical_line_{min(form, 3)}")),
        ("canonical_block", part(f"canonical_block_{max(form, 4)}")),
        ("canonical_report", part(f"canonical_report_{min(form, 2)}")),
        ("canonical_credit", part("canonical_credit")),
        ("line_source", "named" if form in _FORMS_WITH_NAMES else "placed"),
        ("form", str(form)),
    ):
        rest = rest.replace(f"{{{placeholder}}}", piece)
    return f"with {decided},\n\n{rest}"


def _verifying(form: int) -> TextClause:
    if form in _FORMS_OF_LINES:
        decided = _in_order("line_hash", "line_number", "lines")
        stored = _in_order("hash_again", "line_number", "hashed_again")
    else:
        decided = _in_order("{canonical_block}", "first_line", "blocks")
        stored = _in_order("hash_again", "first_line", "stored_blocks")
    steps = ["number_lines", "count_lines", "place_lines", "block_lines"]
    steps += ["name_lines"] if form in _FORMS_WITH_NAMES else []
    steps += ["hash_lines", "sum_lines", "verify_report"]
    action_id = identifiers.action_id_sql(
        *(f"hashed_again.{member}" for member in ("lead_id", "timestamp", "engagement_level")),
        *(f"lines.{member}" for member in ("occurrence", "action_key")),
    )
    pieces = {"line_hashes": decided, "stored_hashes": stored, "action_id": action_id}
    return text(_behind(RATED, steps, form, _ANY_MONTHS | pieces))


def _in_order(hash_: str, number: str, source: str) -> str:
    return f"select string_agg({hash_}, ''::bytea order by {number}) from {source}"


def _closing(
    name: str, decided: str, numbering: list[str], pieces: dict[str, str]
) -> PreparedStatement:
    steps = ["block_lines", "store_blocks", "sum_lines", "pending_credits", "close_period"]
    hashes = _in_order("block_hash", "first_line", "stored_blocks")
    return PreparedStatement(
        name,
        _behind(decided, numbering + steps, CANONICAL_FORM, pieces | {"line_hashes": hashes}),
        Scope.TYPES
        | {
            "report_id": "uuid",
            "run_id": "uuid",
            "customer_id": "uuid",
            "period": "date",
            "rate_card_id": "uuid",
        },
        NOT_PLANNED_WITH,
    )


# How many rows a month decides to is unknown to the planner, which takes it for a few. So it is to
# join what is decided by hashes, however much it is.
NOT_PLANNED_WITH = ("nestloop", "mergejoin")

BEFORE_CLOSING = PreparedStatement(
    "before_closing",
    load_statement("closing", "before_closing").replace("{cards_in_force}", CARDS_IN_FORCE),
    {"customer_id": "uuid", "customer_ids": "uuid[]", "period": "date"},
)
CLOSE = _closing("close_period", RATED, ["number_lines", "count_lines"], _ANY_MONTHS)
CLOSE_PLAINLY = _closing("close_period_plainly", RATED_FLAT, ["number_lines"], _PLAIN_MONTH)
VERIFY = {form: _verifying(form) for form in range(1, CANONICAL_FORM + 1)}
