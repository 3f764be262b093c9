"""Let a rate card charge duplicates of some lead types, and keep cards as they were posted."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_CARDS_ARE_KEPT = """
create function refuse_edit() returns trigger language plpgsql as $$
begin
    raise restrict_violation using message = format('rows of %s are never edited', tg_table_name);
end $$
"""
_TABLES = ("rate_cards", "rate_card_rates", "rate_card_charged_duplicates")


def upgrade() -> None:
    op.create_table(
        "rate_card_charged_duplicates",
        sa.Column("rate_card_id", sa.UUID(), nullable=False),
        sa.Column("lead_type", sa.Text(collation="C"), nullable=False),
        sa.ForeignKeyConstraint(
            ["lead_type"],
            ["lead_types.lead_type"],
            name=op.f("fk_rate_card_charged_duplicates_lead_type"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["rate_card_id"],
            ["rate_cards.rate_card_id"],
            name=op.f("fk_rate_card_charged_duplicates_rate_card_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint(
            "rate_card_id", "lead_type", name=op.f("pk_rate_card_charged_duplicates")
        ),
    )
    op.execute(_CARDS_ARE_KEPT)
    for table in _TABLES:
        op.execute(
            f"create trigger {table}_are_never_edited before update or delete on {table} "
            "for each row execute function refuse_edit()"
        )


def downgrade() -> None:
    for table in _TABLES:
        op.execute(f"drop trigger {table}_are_never_edited on {table}")
    op.execute("drop function refuse_edit()")
    op.drop_table("rate_card_charged_duplicates")
