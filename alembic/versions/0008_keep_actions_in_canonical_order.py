"""Keep an index of actions in canonical order, and final reports in fewer pieces."""

from collections.abc import Sequence

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
_VIEW = """
create or replace view billing_report_lines with (security_invoker = true) as
select
    block.report_id,
    block.first_line + line.place::int - 1 as line_number,
    block.customer_id,
    block.period,
    line.lead_id, line.action_id, line.product_id, line.user_key,
    line.lead_type collate "C" as lead_type, line.action_type, line.engagement_level,
    line.timestamp,
    case
        when line.duplicate_of_action_id is not null then 'duplicate'
        when line.gross_cents = line.billed_cents then 'billed'
        when line.billed_cents > 0 then 'partially_capped'
        else 'capped'
    end::outcome as outcome,
    line.gross_cents, line.billed_cents,
    case when line.duplicate_of_action_id is null then 0 else line.gross_cents - line.billed_cents
        end as duplicate_cents,
    case when line.duplicate_of_action_id is null then line.gross_cents - line.billed_cents else 0
        end as cap_cents,
    block.cap_limit_cents,
    line.cap_used_before_cents, line.duplicate_of_lead_id, line.duplicate_of_action_id,
    line.duplicate_of_timestamp, {rate} as rate, line.line_hash,
    block.first_line as block_first_line, block.last_line as block_last_line,
    block.first_timestamp as block_first_timestamp, block.last_timestamp as block_last_timestamp
from billing_report_line_blocks as block
cross join lateral lines_of_block(
    lead_ids, action_ids, product_ids, user_keys, lead_types, action_types, engagement_levels,
    timestamps, gross_cents, billed_cents, cap_used_before_cents, rates, duplicate_of_lead_ids,
    duplicate_of_action_ids, duplicate_of_timestamps, line_hashes
) as line
"""
_LEVELS_SAID = """
update billing_report_line_blocks
set rates = string_to_array(array_to_string(rates, ',', 'level'), ',')
where array_position(rates, null) is not null
"""
_NEEDED_AGAIN = """
do $$ begin
    if exists (select from billing_reports where hash_version > 4) then
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
    op.execute("alter table billing_report_line_blocks set (toast_tuple_target = 8160)")
    # Nearly every price is one of its level alone, which need not be said of each.
    op.execute(_VIEW.format(rate="coalesce(line.rate, 'level')"))
    _comment_on_rates("what kind of rate gave each price; null: one of its level alone")


def downgrade() -> None:
    op.execute(_NEEDED_AGAIN)
    _store_breakdowns("extended")
    op.execute("alter table billing_report_line_blocks reset (toast_tuple_target)")
    op.execute(_LEVELS_SAID)
    op.execute(_VIEW.format(rate="line.rate"))
    _comment_on_rates("what kind of rate gave each price")
    op.create_index(
        op.f("ix_actions_customer_id_timestamp"),
        "actions",
        ["customer_id", "timestamp"],
        postgresql_include=[*_ORDER, *_BESIDES],
    )
    op.drop_index("ix_actions_canonical_order", table_name="actions")


def _store_breakdowns(storage: str) -> None:
    for names in _BREAKDOWN:
        op.execute(f"alter table billing_report_lead_totals alter {names} set storage {storage}")


def _comment_on_rates(comment: str) -> None:
    op.alter_column("billing_report_line_blocks", "rates", comment=comment)
