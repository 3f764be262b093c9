"""Find the card in force and name the outcome of a line in one place."""

from collections.abc import Sequence
from pathlib import Path

from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_FUNCTIONS = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    for name in ("rate_card_in_force", "line_outcome"):
        op.execute((_FUNCTIONS / f"{name}.sql").read_text())


def downgrade() -> None:
    op.execute("drop function line_outcome(boolean, int, int)")
    op.execute("drop function rate_card_in_force(uuid, date)")
