"""Keep final lines by customer and month, mark late actions as they come, and keep breakdowns."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_DECIDED_FROM = [
    "lead_id",
    "action_id",
    "product_id",
    "user_key",
    "lead_type",
    "lead_created_at",
    "action_key",
    "engagement_level",
    "occurrence",
]

# Posters share the customer's lock and a closer has it alone, so that each action is either seen
# by the statement that closes its month, or finds the month closed here.
_MARK_LATE = """
create function actions_mark_late() returns trigger language plpgsql as $$
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise invalid_transaction_state
            using message = 'actions are stored in a READ COMMITTED transaction';
    end if;
    perform pg_advisory_xact_lock_shared(hashtextextended(customer_id::text, 0))
    from (select distinct customer_id from inserted order by customer_id) as posted;
    insert into late_actions (customer_id, period, lead_id, action_id)
    select
        inserted.customer_id, billing_period_of(inserted.timestamp, closed.timezone), inserted.lead_id,
        inserted.action_id
    from (
        select
            posted.customer_id, customers.timezone,
            local_midnight((last.period + interval '1 month')::date, customers.timezone) as ends_at
        from (select distinct customer_id from inserted) as posted
        join customers using (customer_id)
        cross join lateral (
            select max(period) as period
            from billing_reports
            where billing_reports.customer_id = posted.customer_id
        ) as last
    ) as closed
    join inserted on inserted.customer_id = closed.customer_id
        and inserted.timestamp < closed.ends_at;
    return null;
end $$
"""
_MARK_LATE_TRIGGER = """
create trigger actions_are_marked_late after insert on actions
referencing new table as inserted
for each statement execute function actions_mark_late()
"""
_LATE_ALREADY = """
insert into late_actions (customer_id, period, lead_id, action_id)
select actions.customer_id, billing_period_of(timestamp, closed.timezone), lead_id, action_id
from (
    select
        customer_id, customers.timezone,
        local_midnight((max(period) + interval '1 month')::date, customers.timezone) as ends_at
    from billing_reports
    join customers using (customer_id)
    group by customer_id, customers.timezone
) as closed
join actions on actions.customer_id = closed.customer_id and timestamp < closed.ends_at
where not exists (
    select from billing_report_lines as line
    where line.lead_id = actions.lead_id and line.action_id = actions.action_id
)
"""
_BREAKDOWNS_ALREADY = """
insert into billing_report_lead_totals (
    report_id, lead_ids, gross_cents, billed_cents, duplicate_cents, cap_cents, action_counts
)
select
    report_id,
    coalesce(array_agg(lead_id order by lead_id) filter (where lead_id is not null), '{}'),
    coalesce(array_agg(gross order by lead_id) filter (where lead_id is not null), '{}'),
    coalesce(array_agg(billed order by lead_id) filter (where lead_id is not null), '{}'),
    coalesce(array_agg(duplicate order by lead_id) filter (where lead_id is not null), '{}'),
    coalesce(array_agg(cap order by lead_id) filter (where lead_id is not null), '{}'),
    coalesce(array_agg(actions order by lead_id) filter (where lead_id is not null), '{}')
from billing_reports
left join (
    select
        report_id, line.lead_id, sum(line.gross_cents)::bigint as gross,
        sum(line.billed_cents)::bigint as billed, sum(line.duplicate_cents)::bigint as duplicate,
        sum(line.cap_cents)::bigint as cap, count(*) as actions
    from billing_report_lines as line
    join billing_reports as report using (report_id, period)
    group by report_id, line.lead_id
) as per_lead using (report_id)
group by report_id
"""


def upgrade() -> None:
    op.drop_index(op.f("ix_actions_customer_id_timestamp"), table_name="actions")
    op.create_index(
        op.f("ix_actions_customer_id_timestamp"),
        "actions",
        ["customer_id", "timestamp"],
        postgresql_include=[*_DECIDED_FROM, "action_type"],
    )
    op.create_table(
        "late_actions",
        sa.Column("customer_id", sa.UUID(), nullable=False),
        sa.Column("period", sa.Date(), nullable=False, comment="the closed month it belongs to"),
        sa.Column("lead_id", sa.UUID(), nullable=False),
        sa.Column("action_id", sa.UUID(), nullable=False),
        sa.PrimaryKeyConstraint(
            "customer_id", "period", "lead_id", "action_id", name=op.f("pk_late_actions")
        ),
    )
    op.create_table(
        "billing_report_lead_totals",
        sa.Column("report_id", sa.UUID(), nullable=False),
        sa.Column("lead_ids", postgresql.ARRAY(sa.UUID()), nullable=False),
        *(
            sa.Column(name, postgresql.ARRAY(sa.BigInteger()), nullable=False)
            for name in ("gross_cents", "billed_cents", "duplicate_cents", "cap_cents")
        ),
        sa.Column("action_counts", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.ForeignKeyConstraint(
            ["report_id"],
            ["billing_reports.report_id"],
            name=op.f("fk_billing_report_lead_totals_report_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("report_id", name=op.f("pk_billing_report_lead_totals")),
    )
    op.execute(_LATE_ALREADY)
    op.execute(_BREAKDOWNS_ALREADY)
    op.add_column("billing_report_lines", sa.Column("customer_id", sa.UUID()))
    op.execute(
        "update billing_report_lines as line set customer_id = report.customer_id "
        "from billing_reports as report where report.report_id = line.report_id"
    )
    op.alter_column("billing_report_lines", "customer_id", nullable=False)
    op.drop_constraint(
        op.f("uq_billing_report_lines_lead_id_action_id"), "billing_report_lines", type_="unique"
    )
    op.create_unique_constraint(
        op.f("uq_billing_report_lines_customer_id_period_lead_id_action_id"),
        "billing_report_lines",
        ["customer_id", "period", "lead_id", "action_id"],
    )
    op.execute(_MARK_LATE)
    op.execute(_MARK_LATE_TRIGGER)
    op.execute(
        "create trigger billing_report_breakdowns_are_kept before delete "
        "on billing_report_lead_totals for each row execute function refuse_delete()"
    )


def downgrade() -> None:
    op.execute("drop trigger actions_are_marked_late on actions")
    op.execute("drop function actions_mark_late()")
    op.drop_constraint(
        op.f("uq_billing_report_lines_customer_id_period_lead_id_action_id"),
        "billing_report_lines",
        type_="unique",
    )
    op.create_unique_constraint(
        op.f("uq_billing_report_lines_lead_id_action_id"),
        "billing_report_lines",
        ["lead_id", "action_id"],
    )
    op.drop_column("billing_report_lines", "customer_id")
    op.drop_table("billing_report_lead_totals")
    op.drop_table("late_actions")
    op.drop_index(op.f("ix_actions_customer_id_timestamp"), table_name="actions")
    op.create_index(
        op.f("ix_actions_customer_id_timestamp"),
        "actions",
        ["customer_id", "timestamp"],
        postgresql_include=_DECIDED_FROM,
    )
