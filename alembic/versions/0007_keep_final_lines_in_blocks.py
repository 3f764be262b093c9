"""Keep the lines of final reports in blocks, column beside column."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_LEVEL = postgresql.ENUM("High", "Medium", "Low", name="engagement_level", create_type=False)
# The columns of a line, and of a block, side by side.
_COLUMNS: tuple[tuple[str, str, sa.types.TypeEngine[object]], ...] = (
    ("lead_id", "lead_ids", sa.UUID()),
    ("action_id", "action_ids", sa.UUID()),
    ("product_id", "product_ids", sa.UUID()),
    ("user_key", "user_keys", sa.UUID()),
    ("lead_type", "lead_types", sa.Text(collation="C")),
    ("action_type", "action_types", sa.Text()),
    ("engagement_level", "engagement_levels", _LEVEL),
    ("timestamp", "timestamps", sa.DateTime(timezone=True)),
    ("gross_cents", "gross_cents", sa.Integer()),
    ("billed_cents", "billed_cents", sa.Integer()),
    ("cap_used_before_cents", "cap_used_before_cents", sa.Integer()),
    ("rate", "rates", sa.Text()),
    ("duplicate_of_lead_id", "duplicate_of_lead_ids", sa.UUID()),
    ("duplicate_of_action_id", "duplicate_of_action_ids", sa.UUID()),
    ("duplicate_of_timestamp", "duplicate_of_timestamps", sa.DateTime(timezone=True)),
)
_COMMENTS = {
    "rates": "what kind of rate gave each price",
    "duplicate_of_lead_ids": "null where a line repeats nothing",
}
_NAMED_BY_LINE = ", ".join(name for name, _, _ in _COLUMNS)
_NAMED_BY_BLOCK = ", ".join(names for _, names, _ in _COLUMNS)

_TYPES = {
    "lead_type": "text",
    "action_type": "text",
    "rate": "text",
    "engagement_level": "engagement_level",
    "timestamp": "timestamptz",
    "duplicate_of_timestamp": "timestamptz",
    "gross_cents": "int",
    "billed_cents": "int",
    "cap_used_before_cents": "int",
    "line_hash": "bytea",
}
_OF_LINE = {
    name: _TYPES.get(name, "uuid") for name in (*(each for each, _, _ in _COLUMNS), "line_hash")
}
# Volatile, which it is not: written into the statement around it, as any other would be, it would
# be taken for ten lines, and joined in loops.
_LINES_OF_BLOCK = f"""
create function lines_of_block({", ".join(f"{kind}[]" for kind in _OF_LINE.values())})
returns table ({", ".join(f'"{name}" {kind}' for name, kind in _OF_LINE.items())}, place bigint)
language sql rows 250 as $$
    select *
    from unnest({", ".join(f"${number}" for number in range(1, len(_OF_LINE) + 1))})
        with ordinality
$$
"""
# What follows from the rest of a line is not kept: its outcome, and what of its price was saved.
_VIEW = f"""
create view billing_report_lines with (security_invoker = true) as
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
    line.duplicate_of_timestamp, line.rate, line.line_hash,
    block.first_line as block_first_line, block.last_line as block_last_line,
    block.first_timestamp as block_first_timestamp, block.last_timestamp as block_last_timestamp
from billing_report_line_blocks as block
cross join lateral lines_of_block({_NAMED_BY_BLOCK}, line_hashes) as line
"""
_BLOCKS_ALREADY = f"""
insert into billing_report_line_blocks (
    report_id, first_line, last_line, customer_id, period, first_timestamp, last_timestamp,
    cap_limit_cents, {_NAMED_BY_BLOCK}, line_hashes
)
select
    report_id, min(line_number), max(line_number), customer_id, period, min(timestamp),
    max(timestamp), cap_limit_cents,
    {", ".join(f"array_agg({name} order by line_number)" for name, _, _ in _COLUMNS)},
    array_agg(line_hash order by line_number)
from (
    select *, line_number - min(line_number) over (partition by report_id, period) as place
    from billing_report_lines
) as line
group by report_id, customer_id, period, cap_limit_cents, place / 250
"""
_LINES_AGAIN = f"""
insert into billing_report_lines (
    report_id, line_number, customer_id, period, {_NAMED_BY_LINE}, outcome, duplicate_cents,
    cap_cents, cap_limit_cents, line_hash
)
select
    report_id, line_number, customer_id, period, {_NAMED_BY_LINE}, outcome, duplicate_cents,
    cap_cents, cap_limit_cents, line_hash
from kept_lines
"""
# As before, but that it looks into no other block.
_NO_MORE_THAN_BILLED = """
create or replace function disputed_lines_check_billed() returns trigger language plpgsql as $$
begin
    if not exists (
        select from billing_report_lines as line
        where line.report_id = new.report_id
            and line.line_number = new.line_number{in_block}
            and line.action_id = new.action_id
            and line.billed_cents >= new.amount_cents
    ) then
        raise check_violation using message = 'a disputed line that billed less, or is not final';
    end if;
    return new;
end $$
"""
_IN_BLOCK = """
            and new.line_number between line.block_first_line and line.block_last_line"""
_RULES_OF_A_LINE = {
    "a_duplicate_names_what_it_repeats": "(outcome = 'duplicate') = "
    "(duplicate_of_action_id is not null)",
    "cap_used_before_is_not_negative": "cap_used_before_cents >= 0",
    "adds_up": "gross_cents = billed_cents + duplicate_cents + cap_cents",
    "is_not_negative": "least(billed_cents, duplicate_cents, cap_cents) >= 0",
    "line_number_counts_from_one": "line_number >= 1",
}
_NEEDED_AGAIN = """
do $$ begin
    if exists (select from billing_reports where hash_version > 3) then
        raise exception 'there are final reports that revision 0006 cannot verify';
    end if;
end $$
"""


def upgrade() -> None:
    op.create_table(
        "billing_report_line_blocks",
        sa.Column("report_id", sa.UUID(), nullable=False),
        sa.Column(
            "first_line",
            sa.Integer(),
            autoincrement=False,
            nullable=False,
            comment="number of its first line on the report",
        ),
        sa.Column("last_line", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.UUID(), nullable=False),
        sa.Column(
            "period",
            sa.Date(),
            nullable=False,
            comment="the actions' own month; earlier than the report's on prior-period lines",
        ),
        sa.Column("first_timestamp", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_timestamp", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cap_limit_cents", sa.Integer(), nullable=False),
        *(
            sa.Column(names, postgresql.ARRAY(kind), nullable=False, comment=_COMMENTS.get(names))
            for _, names, kind in _COLUMNS
        ),
        sa.Column(
            "line_hashes",
            postgresql.ARRAY(sa.LargeBinary()),
            nullable=True,
            comment="of each line, in the canonical forms 1 to 3",
        ),
        sa.Column(
            "block_hash",
            sa.LargeBinary(),
            nullable=True,
            comment="SHA-256 of the block, from the canonical form 4 on",
        ),
        sa.CheckConstraint(
            "first_line >= 1", name=op.f("ck_billing_report_line_blocks_lines_count_from_one")
        ),
        sa.CheckConstraint(
            " and ".join(
                f"cardinality({names}) = last_line - first_line + 1" for _, names, _ in _COLUMNS
            ),
            name=op.f("ck_billing_report_line_blocks_columns_are_of_one_length"),
        ),
        sa.CheckConstraint(
            "array_position(gross_cents, null) is null",
            name=op.f("ck_billing_report_line_blocks_every_line_has_a_price"),
        ),
        sa.CheckConstraint(
            " and ".join(
                f"0 <= all ({names})"
                for names in ("gross_cents", "billed_cents", "cap_used_before_cents")
            ),
            name=op.f("ck_billing_report_line_blocks_is_not_negative"),
        ),
        sa.CheckConstraint(
            "(line_hashes is null) <> (block_hash is null)",
            name=op.f("ck_billing_report_line_blocks_is_hashed_by_line_or_whole"),
        ),
        sa.ForeignKeyConstraint(
            ["report_id"],
            ["billing_reports.report_id"],
            name=op.f("fk_billing_report_line_blocks_report_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint(
            "report_id", "first_line", name=op.f("pk_billing_report_line_blocks")
        ),
    )
    op.create_index(
        op.f("ix_billing_report_line_blocks_customer_id_period"),
        "billing_report_line_blocks",
        ["customer_id", "period"],
    )
    for names in (*(names for _, names, _ in _COLUMNS), "line_hashes"):
        # Half of it is random bytes, and compressing the rest takes longer than writing it.
        op.execute(f"alter table billing_report_line_blocks alter {names} set storage external")
    op.execute(_BLOCKS_ALREADY)
    op.drop_table("billing_report_lines")
    op.execute(_LINES_OF_BLOCK)
    op.execute(_VIEW)
    op.execute(_NO_MORE_THAN_BILLED.format(in_block=_IN_BLOCK))
    op.execute(
        "create trigger billing_report_blocks_are_kept before delete on billing_report_line_blocks "
        "for each row execute function refuse_delete()"
    )


def downgrade() -> None:
    op.execute(_NEEDED_AGAIN)
    op.execute("create temporary table kept_lines as table billing_report_lines")
    op.execute("drop view billing_report_lines")
    op.execute(
        f"drop function lines_of_block({', '.join(f'{kind}[]' for kind in _OF_LINE.values())})"
    )
    op.drop_table("billing_report_line_blocks")
    op.create_table(
        "billing_report_lines",
        sa.Column("report_id", sa.UUID(), nullable=False),
        sa.Column("line_number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("customer_id", sa.UUID(), nullable=False),
        sa.Column("period", sa.Date(), nullable=False),
        *(
            sa.Column(name, kind, nullable=name.startswith("duplicate_of_"))
            for name, _, kind in _COLUMNS
        ),
        sa.Column("outcome", postgresql.ENUM(name="outcome", create_type=False), nullable=False),
        sa.Column("duplicate_cents", sa.Integer(), nullable=False),
        sa.Column("cap_cents", sa.Integer(), nullable=False),
        sa.Column("cap_limit_cents", sa.Integer(), nullable=False),
        sa.Column("line_hash", sa.LargeBinary(), nullable=False),
        *(
            sa.CheckConstraint(rule, name=op.f(f"ck_billing_report_lines_{name}"))
            for name, rule in _RULES_OF_A_LINE.items()
        ),
        sa.PrimaryKeyConstraint("report_id", "line_number", name=op.f("pk_billing_report_lines")),
        sa.UniqueConstraint(
            "customer_id",
            "period",
            "lead_id",
            "action_id",
            name=op.f("uq_billing_report_lines_customer_id_period_lead_id_action_id"),
        ),
    )
    op.execute(_LINES_AGAIN)
    op.execute("drop table kept_lines")
    op.execute(_NO_MORE_THAN_BILLED.format(in_block=""))
    op.execute(
        "create trigger billing_report_lines_are_kept before delete on billing_report_lines "
        "for each row execute function refuse_delete()"
    )
