"""Create the schema, and the rows that every deployment starts with.

What is created stands in alembic/sql, one file for each part. `-x guards=no` leaves out the triggers
that refuse edits (alembic/sql/guards.sql).
"""

from collections.abc import Sequence
from pathlib import Path

from alembic import context, op

revision: str = "0001"
down_revision: str | None = None
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_SQL = Path(__file__).parent.parent / "sql"
_IN_ORDER = (
    "tables/catalog",
    "tables/access",
    "tables/leads",
    "tables/voiding",
    "tables/rate_cards",
    "tables/final_reports",
    "tables/disputes",
    "tables/standing_totals",
    "tables/imports",
    "tables/events",
    "tables/exports",
    "tables/deliveries",
    "tables/idempotency",
    "tables/proof",
    "functions",
    "events",
    "hashes",
    "proof",
    "rate_card_in_force",
    "line_outcome",
    "line_search",
    "views",
    "rows",
    "erasure",
    "voiding",
    "keys",
)


def upgrade() -> None:
    for name in _IN_ORDER:
        _execute(name)
    if context.get_x_argument(as_dictionary=True).get("guards") != "no":
        _execute("guards")


def downgrade() -> None:
    _execute("drop")


def _execute(name: str) -> None:
    statements = (_SQL / f"{name}.sql").read_text()
    op.get_bind().exec_driver_sql(statements.replace("%", "%%"))
