"""Create the schema, and the data that every installation starts with."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0001"
down_revision: str | None = None
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

LEAD_TYPES = [
    "Website Visit",
    "Social Media",
    "Email Campaign",
    "Referral",
    "Webinar",
    "Event",
    "Demo Request",
    "Trade Show",
    "Conference",
    "Newsletter",
    "Feedback",
]

# One check per statement keeps the promise of a foreign key for a fraction of its price.
_CHECK_LEADS = """
create function actions_check_leads() returns trigger language plpgsql as $$
begin
    if exists (
        select from inserted
        where not exists (select from leads where leads.lead_id = inserted.lead_id)
    ) then
        raise foreign_key_violation using message = 'an action of a lead that is not stored';
    end if;
    return null;
end $$
"""
_CHECK_LEADS_TRIGGER = """
create trigger actions_have_a_lead after insert on actions
referencing new table as inserted
for each statement execute function actions_check_leads()
"""
_NOTHING_IS_DELETED = """
create function refuse_delete() returns trigger language plpgsql as $$
begin
    raise restrict_violation using message = format('rows of %s are never deleted', tg_table_name);
end $$
"""
_KEEP_TRIGGERS = [
    f"create trigger {table}_are_kept before delete on {table} "
    "for each row execute function refuse_delete()"
    for table in ("leads", "actions", "billing_reports", "billing_report_lines")
]
# Where a zone's clocks show midnight twice, PostgreSQL takes the second: a day has begun by then.
_FIRST_MIDNIGHT = """
create function local_midnight(day date, zone text) returns timestamptz
language plpgsql immutable strict parallel safe as $$
declare
    midnight timestamptz := day::timestamp at time zone zone;
    day_before timestamptz := midnight - interval '1 day';
    offset_before interval := day_before at time zone zone - day_before at time zone 'UTC';
    earlier timestamptz := (day::timestamp - offset_before) at time zone 'UTC';
begin
    return case when earlier at time zone zone = day::timestamp then earlier else midnight end;
end $$
"""
_MONTH_OF = """
create function billing_period_of(moment timestamptz, zone text) returns date
language plpgsql immutable strict parallel safe as $$
declare
    month date := date_trunc('month', moment at time zone zone);
    next_month date := month + interval '1 month';
begin
    return case when moment < local_midnight(next_month, zone) then month else next_month end;
end $$
"""
_DEFAULT_CARD = """
with card as (
    insert into rate_cards (name, version, valid_from, cap_cents, cap_scope)
    values ('Default', 1, '0001-01-01', 10000, 'user')
    returning rate_card_id
)
insert into rate_card_rates (rate_card_id, engagement_level, amount_cents)
select rate_card_id, level::engagement_level, cents
from card, (values ('High', 1000), ('Medium', 500), ('Low', 200)) as rate (level, cents)
"""


def upgrade() -> None:
    op.create_table(
        "actions",
        sa.Column("lead_id", sa.UUID(), nullable=False),
        sa.Column("action_id", sa.UUID(), nullable=False, comment="hash of its content"),
        sa.Column("customer_id", sa.UUID(), nullable=False),
        sa.Column("product_id", sa.UUID(), nullable=False),
        sa.Column("user_key", sa.UUID(), nullable=False),
        sa.Column("lead_type", sa.Text(collation="C"), nullable=False),
        sa.Column("lead_created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("action_type", sa.Text(), nullable=False, comment="as the caller wrote it"),
        sa.Column(
            "action_key",
            sa.Text(collation="C"),
            nullable=False,
            comment="action_type trimmed, inner spaces folded, case folded",
        ),
        sa.Column(
            "engagement_level",
            sa.Enum("High", "Medium", "Low", name="engagement_level"),
            nullable=False,
        ),
        sa.Column("timestamp", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "occurrence",
            sa.Integer(),
            nullable=False,
            comment="nth action of this lead with the same key, level and timestamp",
        ),
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("occurrence >= 1", name=op.f("ck_actions_occurrence_counts_from_one")),
        sa.PrimaryKeyConstraint("lead_id", "action_id", name=op.f("pk_actions")),
    )
    op.create_index(
        op.f("ix_actions_customer_id_timestamp"),
        "actions",
        ["customer_id", "timestamp"],
        unique=False,
        postgresql_include=[
            "lead_id",
            "action_id",
            "product_id",
            "user_key",
            "lead_type",
            "lead_created_at",
            "action_key",
            "engagement_level",
            "occurrence",
        ],
    )
    op.create_table(
        "customers",
        sa.Column("customer_id", sa.UUID(), nullable=False),
        sa.Column("external_id", sa.Text(collation="C"), nullable=False, comment="the caller's id"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False, comment="lower case"),
        sa.Column(
            "timezone", sa.Text(), server_default="UTC", nullable=False, comment="IANA time zone"
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_customers")),
        sa.UniqueConstraint("email", name=op.f("uq_customers_email")),
        sa.UniqueConstraint("external_id", name=op.f("uq_customers_external_id")),
    )
    op.create_table(
        "deployment",
        sa.Column("is_only_row", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column(
            "user_hash_key_fingerprint",
            sa.Text(),
            nullable=False,
            comment="of the key its users are hashed with, which must stay the same",
        ),
        sa.CheckConstraint("is_only_row", name=op.f("ck_deployment_is_the_only_row")),
        sa.PrimaryKeyConstraint("is_only_row", name=op.f("pk_deployment")),
    )
    op.create_table(
        "lead_types",
        sa.Column("lead_type", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("lead_type", name=op.f("pk_lead_types")),
    )
    op.create_table(
        "products",
        sa.Column("product_id", sa.UUID(), nullable=False),
        sa.Column("external_id", sa.Text(collation="C"), nullable=False, comment="the caller's id"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("product_id", name=op.f("pk_products")),
        sa.UniqueConstraint("external_id", name=op.f("uq_products_external_id")),
    )
    op.create_table(
        "quarantined_leads",
        sa.Column(
            "quarantine_id",
            sa.UUID(),
            nullable=False,
            comment="hash of the lead's content: a retry adds nothing",
        ),
        sa.Column("lead_id", sa.UUID(), nullable=False),
        sa.Column(
            "lead",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="the lead as it was sent",
        ),
        sa.Column(
            "reason", sa.Text(), nullable=False, comment="unknown_customer or unknown_product"
        ),
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "replayed_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when a replay stored it",
        ),
        sa.CheckConstraint(
            "jsonb_typeof(lead) = 'object'", name=op.f("ck_quarantined_leads_lead_is_an_object")
        ),
        sa.PrimaryKeyConstraint("quarantine_id", name=op.f("pk_quarantined_leads")),
    )
    op.create_index(
        op.f("ix_quarantined_leads_received_at_quarantine_id"),
        "quarantined_leads",
        ["received_at", "quarantine_id"],
        unique=False,
    )
    op.create_table(
        "leads",
        sa.Column(
            "lead_id",
            sa.UUID(),
            nullable=False,
            comment="a function of external_id, which is therefore unique too",
        ),
        sa.Column("external_id", sa.Text(collation="C"), nullable=False, comment="the caller's id"),
        sa.Column("customer_id", sa.UUID(), nullable=False),
        sa.Column("product_id", sa.UUID(), nullable=False),
        sa.Column("lead_type", sa.Text(collation="C"), nullable=False),
        sa.Column(
            "user_key",
            sa.UUID(),
            nullable=False,
            comment="keyed hash of the user, or of the fallback user where none was named",
        ),
        sa.Column(
            "has_user",
            sa.Boolean(),
            nullable=False,
            comment="false: billed under the fallback user",
        ),
        sa.Column("user_email", sa.Text(), nullable=True, comment="trimmed, lower case"),
        sa.Column("user_phone", sa.Text(), nullable=True, comment="digits and a leading +"),
        sa.Column("user_external_id", sa.Text(), nullable=True, comment="trimmed"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customers.customer_id"],
            name=op.f("fk_leads_customer_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["lead_type"],
            ["lead_types.lead_type"],
            name=op.f("fk_leads_lead_type"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["product_id"],
            ["products.product_id"],
            name=op.f("fk_leads_product_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("lead_id", name=op.f("pk_leads")),
    )
    op.create_index(
        op.f("ix_leads_created_at_lead_id"), "leads", ["created_at", "lead_id"], unique=False
    )
    op.create_index(
        op.f("ix_leads_customer_id_created_at_lead_id"),
        "leads",
        ["customer_id", "created_at", "lead_id"],
        unique=False,
    )
    op.create_index(op.f("ix_leads_user_key"), "leads", ["user_key"], unique=False)
    op.create_table(
        "rate_cards",
        sa.Column(
            "rate_card_id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False
        ),
        sa.Column("customer_id", sa.UUID(), nullable=True, comment="null: the default card"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column(
            "valid_from",
            sa.Date(),
            nullable=False,
            comment="first day of the first month it prices",
        ),
        sa.Column("currency", sa.Text(), server_default="USD", nullable=False, comment="ISO 4217"),
        sa.Column("cap_cents", sa.Integer(), server_default=sa.text("10000"), nullable=False),
        sa.Column(
            "cap_scope",
            sa.Enum("user", "user_and_product", name="cap_scope"),
            server_default="user",
            nullable=False,
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("cap_cents >= 0", name=op.f("ck_rate_cards_cap_is_not_negative")),
        sa.CheckConstraint(
            "extract(day from valid_from) = 1", name=op.f("ck_rate_cards_valid_from_starts_a_month")
        ),
        sa.CheckConstraint("version >= 1", name=op.f("ck_rate_cards_version_counts_from_one")),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customers.customer_id"],
            name=op.f("fk_rate_cards_customer_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("rate_card_id", name=op.f("pk_rate_cards")),
        sa.UniqueConstraint(
            "customer_id",
            "version",
            name=op.f("uq_rate_cards_customer_id_version"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_table(
        "billing_runs",
        sa.Column("run_id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("period", sa.Date(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False, comment="who or what asked for it"),
        sa.Column(
            "started_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "finished_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="null: running, or cut short",
        ),
        sa.Column("closed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("already_closed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("failed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("due_cents", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_billing_runs")),
    )
    op.create_table(
        "parked_customers",
        sa.Column("customer_id", sa.UUID(), nullable=False),
        sa.Column("period", sa.Date(), nullable=False),
        sa.Column("run_id", sa.UUID(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "parked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customers.customer_id"],
            name=op.f("fk_parked_customers_customer_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["billing_runs.run_id"],
            name=op.f("fk_parked_customers_run_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("customer_id", "period", name=op.f("pk_parked_customers")),
    )
    op.create_table(
        "billing_reports",
        sa.Column("report_id", sa.UUID(), nullable=False),
        sa.Column("run_id", sa.UUID(), nullable=False),
        sa.Column("customer_id", sa.UUID(), nullable=False),
        sa.Column("customer_name", sa.Text(), nullable=False),
        sa.Column(
            "period", sa.Date(), nullable=False, comment="first day of the month, in `timezone`"
        ),
        sa.Column(
            "timezone",
            sa.Text(),
            nullable=False,
            comment="the customer's IANA time zone when closed",
        ),
        sa.Column("rate_card_id", sa.UUID(), nullable=False),
        sa.Column(
            "product_names",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="by product id",
        ),
        sa.Column("lead_count", sa.Integer(), nullable=False, comment="of this period's lines"),
        sa.Column("action_count", sa.Integer(), nullable=False),
        sa.Column(
            "prior_action_count", sa.Integer(), nullable=False, comment="of prior-period lines"
        ),
        sa.Column("gross_cents", sa.BigInteger(), nullable=False, comment="of this period's lines"),
        sa.Column("billed_cents", sa.BigInteger(), nullable=False),
        sa.Column("duplicate_cents", sa.BigInteger(), nullable=False),
        sa.Column("cap_cents", sa.BigInteger(), nullable=False),
        sa.Column("prior_billed_cents", sa.BigInteger(), nullable=False),
        sa.Column(
            "due_cents",
            sa.BigInteger(),
            nullable=False,
            comment="billed of this period and of its prior-period lines, less credits",
        ),
        sa.Column(
            "previous_hash",
            sa.Text(),
            nullable=True,
            comment="content_hash of the customer's report before this one",
        ),
        sa.Column(
            "content_hash",
            sa.Text(),
            nullable=False,
            comment="SHA-256 over the canonical form, hex",
        ),
        sa.Column(
            "finalized_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "extract(day from period) = 1", name=op.f("ck_billing_reports_period_starts_a_month")
        ),
        sa.CheckConstraint(
            "gross_cents = billed_cents + duplicate_cents + cap_cents",
            name=op.f("ck_billing_reports_adds_up"),
        ),
        sa.CheckConstraint(
            "least(billed_cents, duplicate_cents, cap_cents) >= 0",
            name=op.f("ck_billing_reports_is_not_negative"),
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customers.customer_id"],
            name=op.f("fk_billing_reports_customer_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["rate_card_id"],
            ["rate_cards.rate_card_id"],
            name=op.f("fk_billing_reports_rate_card_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["billing_runs.run_id"],
            name=op.f("fk_billing_reports_run_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("report_id", name=op.f("pk_billing_reports")),
        sa.UniqueConstraint(
            "customer_id", "period", name=op.f("uq_billing_reports_customer_id_period")
        ),
    )
    op.create_table(
        "rate_card_rates",
        sa.Column("rate_id", sa.Integer(), nullable=False),
        sa.Column("rate_card_id", sa.UUID(), nullable=False),
        sa.Column(
            "engagement_level",
            sa.Enum("High", "Medium", "Low", name="engagement_level"),
            nullable=False,
        ),
        sa.Column("lead_type", sa.Text(collation="C"), nullable=True, comment="null: any"),
        sa.Column("product_id", sa.UUID(), nullable=True, comment="null: any"),
        sa.Column("amount_cents", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "amount_cents >= 0", name=op.f("ck_rate_card_rates_amount_is_not_negative")
        ),
        sa.ForeignKeyConstraint(
            ["lead_type"],
            ["lead_types.lead_type"],
            name=op.f("fk_rate_card_rates_lead_type"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["product_id"],
            ["products.product_id"],
            name=op.f("fk_rate_card_rates_product_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["rate_card_id"],
            ["rate_cards.rate_card_id"],
            name=op.f("fk_rate_card_rates_rate_card_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("rate_id", name=op.f("pk_rate_card_rates")),
        sa.UniqueConstraint(
            "rate_card_id",
            "engagement_level",
            "lead_type",
            "product_id",
            name=op.f("uq_rate_card_rates_rate_card_id_engagement_level_lead_type_product_id"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_table(
        "billing_report_lines",
        sa.Column("report_id", sa.UUID(), nullable=False),
        sa.Column("line_number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "period",
            sa.Date(),
            nullable=False,
            comment="the action's own month; earlier than the report's on a prior-period line",
        ),
        sa.Column("lead_id", sa.UUID(), nullable=False),
        sa.Column("action_id", sa.UUID(), nullable=False),
        sa.Column("product_id", sa.UUID(), nullable=False),
        sa.Column("user_key", sa.UUID(), nullable=False),
        sa.Column("lead_type", sa.Text(collation="C"), nullable=False),
        sa.Column("action_type", sa.Text(), nullable=False),
        sa.Column(
            "engagement_level",
            sa.Enum("High", "Medium", "Low", name="engagement_level"),
            nullable=False,
        ),
        sa.Column("timestamp", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "outcome",
            sa.Enum("billed", "duplicate", "partially_capped", "capped", name="outcome"),
            nullable=False,
        ),
        sa.Column("gross_cents", sa.Integer(), nullable=False),
        sa.Column("billed_cents", sa.Integer(), nullable=False),
        sa.Column("duplicate_cents", sa.Integer(), nullable=False),
        sa.Column("cap_cents", sa.Integer(), nullable=False),
        sa.Column("cap_limit_cents", sa.Integer(), nullable=False),
        sa.Column("cap_used_before_cents", sa.Integer(), nullable=False),
        sa.Column("duplicate_of_lead_id", sa.UUID(), nullable=True),
        sa.Column("duplicate_of_action_id", sa.UUID(), nullable=True),
        sa.Column("duplicate_of_timestamp", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rate", sa.Text(), nullable=False, comment="what kind of rate gave its price"),
        sa.Column(
            "line_hash",
            sa.LargeBinary(),
            nullable=False,
            comment="SHA-256 over the line's canonical form",
        ),
        sa.CheckConstraint(
            "(outcome = 'duplicate') = (duplicate_of_action_id is not null)",
            name=op.f("ck_billing_report_lines_a_duplicate_names_what_it_repeats"),
        ),
        sa.CheckConstraint(
            "cap_used_before_cents >= 0",
            name=op.f("ck_billing_report_lines_cap_used_before_is_not_negative"),
        ),
        sa.CheckConstraint(
            "gross_cents = billed_cents + duplicate_cents + cap_cents",
            name=op.f("ck_billing_report_lines_adds_up"),
        ),
        sa.CheckConstraint(
            "least(billed_cents, duplicate_cents, cap_cents) >= 0",
            name=op.f("ck_billing_report_lines_is_not_negative"),
        ),
        sa.CheckConstraint(
            "line_number >= 1", name=op.f("ck_billing_report_lines_line_number_counts_from_one")
        ),
        sa.PrimaryKeyConstraint("report_id", "line_number", name=op.f("pk_billing_report_lines")),
        sa.UniqueConstraint(
            "lead_id", "action_id", name=op.f("uq_billing_report_lines_lead_id_action_id")
        ),
    )
    for statement in (
        _FIRST_MIDNIGHT,
        _MONTH_OF,
        _CHECK_LEADS,
        _CHECK_LEADS_TRIGGER,
        _NOTHING_IS_DELETED,
        *_KEEP_TRIGGERS,
    ):
        op.execute(statement)
    lead_types = sa.table("lead_types", sa.column("lead_type"))
    op.bulk_insert(lead_types, [{"lead_type": lead_type} for lead_type in LEAD_TYPES])
    op.execute(_DEFAULT_CARD)


def downgrade() -> None:
    op.drop_table("billing_report_lines")
    op.drop_table("parked_customers")
    op.drop_table("rate_card_rates")
    op.drop_table("billing_reports")
    op.drop_table("billing_runs")
    op.drop_table("rate_cards")
    op.drop_index(op.f("ix_leads_user_key"), table_name="leads")
    op.drop_index(op.f("ix_leads_customer_id_created_at_lead_id"), table_name="leads")
    op.drop_index(op.f("ix_leads_created_at_lead_id"), table_name="leads")
    op.drop_table("leads")
    op.drop_index(
        op.f("ix_quarantined_leads_received_at_quarantine_id"), table_name="quarantined_leads"
    )
    op.drop_table("quarantined_leads")
    op.drop_table("products")
    op.drop_table("lead_types")
    op.drop_table("deployment")
    op.drop_table("customers")
    op.drop_index(op.f("ix_actions_customer_id_timestamp"), table_name="actions")
    op.drop_table("actions")
    op.execute("drop function actions_check_leads()")
    op.execute("drop function refuse_delete()")
    op.execute("drop function billing_period_of(timestamptz, text)")
    op.execute("drop function local_midnight(date, text)")
    for name in ("engagement_level", "cap_scope", "outcome"):
        op.execute(f"drop type {name}")
