"""Keep an index of actions in canonical order, and final reports in fewer pieces."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_ORDER = ["lead_created_at", "lead_id", "action_key", "engagement_level", "occurrence"]
_BESIDES = ["action_id", "product_id", "user_key", "lead_type", "action_type"]
_BREAKDOWN = (
    "lead_ids",
    "gross_cents",
    "billed_cents",
    "duplicate_cents",
    "cap_cents",
    "action_counts",
)
_NEEDED_AGAIN = """
do $$ begin
    if exists (select from billing_reports where canonical_form > 4) then
        raise exception 'there are final reports that revision 0007 cannot verify';
    end if;
end $$
"""


def upgrade() -> None:
    # The new one first: until then the old one serves.
    op.create_index(
        "ix_actions_canonical_order",
        "actions",
        ["customer_id", "timestamp", *_ORDER],
        postgresql_include=_BESIDES,
    )
    op.drop_index(op.f("ix_actions_customer_id_timestamp"), table_name="actions")
    # Compressing it took longer than writing it, and saved little.
    _store_breakdowns("external")
    # Short columns in the row itself: each piece elsewhere costs a row and an index entry.
    op.execute("alter table billing_report_blocks set (toast_tuple_target = 8160)")
    # But for this one, of whose values nearly all are alike.
    op.execute("alter table billing_report_blocks alter rates set storage extended")


def downgrade() -> None:
    op.execute(_NEEDED_AGAIN)
    _store_breakdowns("extended")
    op.execute("alter table billing_report_blocks reset (toast_tuple_target)")
    op.execute("alter table billing_report_blocks alter rates set storage external")
    op.create_index(
        op.f("ix_actions_customer_id_timestamp"),
        "actions",
        ["customer_id", "timestamp"],
        postgresql_include=[*_ORDER, *_BESIDES],
    )
    op.drop_index("ix_actions_canonical_order", table_name="actions")


def _store_breakdowns(storage: str) -> None:
    for names in _BREAKDOWN:
        op.execute(
            sa.text(f"alter table billing_report_breakdowns alter {names} set storage {storage}")
        )
