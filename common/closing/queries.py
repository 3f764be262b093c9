"""The statements that make a month final, and that verify a final report.

Invariant: both go on from the same deciding statement, by steps that they share (sql/), and nothing
here is run.
"""

from sqlalchemy import TextClause, text

from common.database.prepared import PreparedStatement
from common.database.sql_loader import load_statement
from common.rating.rated_lines import RATED, RATED_FLAT

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


def _behind(decided: str, steps: list[str], pieces: dict[str, str]) -> str:
    """A statement that goes on from what is `decided` by these steps.

    `pieces` stand in the steps' placeholders.
    """

    def part(name: str) -> str:
        return load_statement("disputes" if name == "pending_credits" else "closing", name)

    rest = ",\n\n".join(map(part, steps))
    for placeholder, piece in pieces.items():
        rest = rest.replace(f"{{{placeholder}}}", piece)
    return f"with {decided},\n\n{rest}"


def _verifying() -> TextClause:
    steps = ["number_lines", "count_lines", "place_lines", "block_lines", "hash_blocks"]
    steps += ["sum_lines", "verify_report"]
    hashes = "select string_agg(block_hash, ''::bytea order by first_line) from hashed_blocks"
    return text(_behind(RATED, steps, _ANY_MONTHS | {"block_hashes": hashes}))


def _closing(
    name: str, decided: str, numbering: list[str], pieces: dict[str, str]
) -> PreparedStatement:
    steps = ["block_lines", "store_blocks", "sum_lines", "pending_credits", "close_period"]
    hashes = "select string_agg(block_hash, ''::bytea order by first_line) from stored_blocks"
    return PreparedStatement(
        name,
        _behind(decided, numbering + steps, pieces | {"block_hashes": hashes}),
        NOT_PLANNED_WITH,
    )


# How many rows a month decides to is unknown to the planner, which takes it for a few. So it is to
# join what is decided by hashes, however much it is.
NOT_PLANNED_WITH = ("nestloop", "mergejoin")

BEFORE_CLOSING = PreparedStatement("before_closing", load_statement("closing", "before_closing"))
CLOSE = _closing("close_period", RATED, ["number_lines", "count_lines"], _ANY_MONTHS)
CLOSE_PLAINLY = _closing("close_period_plainly", RATED_FLAT, ["number_lines"], _PLAIN_MONTH)
VERIFY = _verifying()
