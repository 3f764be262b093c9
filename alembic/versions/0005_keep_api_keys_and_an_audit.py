"""Keep API keys and an audit entry of every change, and prepare for roles that own nothing."""

import re
import uuid
from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

# As its owner, so that nobody else needs the right to write here, or has it.
_WRITE = """
create function write_audit_entry(
    action text, subject text, subject_id text, before jsonb, after jsonb
) returns void language sql security definer set search_path = public, pg_temp as $$
    insert into audit_log (actor, database_user, action, subject, subject_id, before, after)
    values (
        coalesce(
            nullif(current_setting('lead_billing.actor', true), ''),
            'database role ' || session_user
        ),
        session_user, action, subject, subject_id, before, after
    )
$$
"""
# What of a row may stand in an entry: the named columns, an email only in outline, and the
# customer by the id that callers know it by.
_AUDITED = r"""
create function audited(whole jsonb, columns text[]) returns jsonb
language sql stable security definer set search_path = public, pg_temp as $$
    select jsonb_object_agg(
        key,
        case
            when key = 'email'
                then to_jsonb(regexp_replace(value #>> '{}', '^(.)[^@]*', '\1***'))
            when key = 'customer_id' and value <> 'null' then coalesce(
                (
                    select to_jsonb(external_id) from customers
                    where customer_id::text = value #>> '{}'
                ),
                value
            )
            else value
        end
    )
    from jsonb_each(whole)
    where key = any (columns)
$$
"""
# Arguments: what is changed, its id's column, the columns to show, the word for an update.
_CHANGE = """
create function audit_change() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    columns text[] := string_to_array(tg_argv[2], ',');
    before jsonb := case when tg_op <> 'INSERT' then audited(to_jsonb(old), columns) end;
    after jsonb := case when tg_op <> 'DELETE' then audited(to_jsonb(new), columns) end;
    whole jsonb := case when tg_op = 'DELETE' then to_jsonb(old) else to_jsonb(new) end;
begin
    if before is distinct from after then
        perform write_audit_entry(
            case tg_op
                when 'INSERT' then coalesce(tg_argv[4], 'created')
                when 'UPDATE' then coalesce(tg_argv[3], 'changed')
                else 'deleted'
            end,
            tg_argv[0], whole ->> tg_argv[1], before, after
        );
    end if;
    return null;
end $$
"""
# Runs when the card's rates are stored too: at the end of its transaction.
_CARD = """
create function audit_rate_card() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform write_audit_entry(
        'created', 'rate_card', new.rate_card_id::text, null,
        audited(
            to_jsonb(new),
            '{customer_id,name,version,valid_from,currency,cap_cents,cap_scope,'
            'dispute_window_days,follows_default}'
        ) || jsonb_build_object(
            'rates', (
                select jsonb_agg(
                    jsonb_strip_nulls(jsonb_build_object(
                        'engagement_level', rate_card_rates.engagement_level, 'lead_type', rate_card_rates.lead_type,
                        'product_id', products.external_id, 'amount_cents', rate_card_rates.amount_cents
                    )) order by rate_id
                )
                from rate_card_rates left join products using (product_id)
                where rate_card_rates.rate_card_id = new.rate_card_id
            ),
            'duplicates_charged_for', (
                select coalesce(jsonb_agg(lead_type order by lead_type), '[]')
                from rate_card_charged_duplicates
                where rate_card_charged_duplicates.rate_card_id = new.rate_card_id
            )
        )
    );
    return null;
end $$
"""
# The customer whose key a transaction serves; null where it serves nobody in particular.
_OWN_CUSTOMER = """
create function tenant() returns uuid language sql stable parallel safe as $$
    select nullif(current_setting('lead_billing.customer', true), '')::uuid
$$
"""
# Roles need the right to update a key to lock the row; nobody has a lead changed by it.
_LEADS_STAY = """
create function refuse_change_of_lead() returns trigger language plpgsql as $$
begin
    -- Erasing a user takes out who that was, and changes nothing else.
    if to_jsonb(new) - '{user_email,user_phone,user_external_id}'::text[]
            is distinct from to_jsonb(old) - '{user_email,user_phone,user_external_id}'::text[]
        or coalesce(new.user_email, old.user_email) is distinct from old.user_email
        or coalesce(new.user_phone, old.user_phone) is distinct from old.user_phone
        or coalesce(new.user_external_id, old.user_external_id)
            is distinct from old.user_external_id
    then
        raise restrict_violation using message = 'a stored lead is never changed';
    end if;
    return new;
end $$
"""
_APPEND_ONLY = """
create function refuse_change_of_audit() returns trigger language plpgsql as $$
begin
    raise restrict_violation using message = 'audit entries are never changed or deleted';
end $$
"""
_TRIGGERS = (
    "create trigger api_keys_are_audited after insert or update or delete on api_keys"
    " for each row execute function audit_change("
    "'api_key', 'key_id', 'name,role,customer_id,expires_at,rotated_from', 'ended')",
    "create trigger customers_are_audited after insert or update or delete on customers"
    " for each row execute function audit_change("
    "'customer', 'external_id', 'external_id,name,email,timezone')",
    "create trigger products_are_audited after insert or update or delete on products"
    " for each row execute function audit_change("
    "'product', 'external_id', 'external_id,name,description')",
    "create trigger lead_types_are_audited after insert or update or delete on lead_types"
    " for each row execute function audit_change('lead_type', 'lead_type', 'lead_type')",
    "create trigger reports_are_audited after insert or update on billing_reports"
    " for each row execute function audit_change("
    "'report', 'report_id', 'customer_id,period,rate_card_id,gross_cents,billed_cents,"
    "duplicate_cents,cap_cents,prior_billed_cents,credit_cents,due_cents,content_hash',"
    " 'changed', 'closed')",
    "create trigger disputes_are_audited after insert or update on disputes"
    " for each row execute function audit_change("
    "'dispute', 'dispute_id', 'customer_id,lead_id,reason,status,opened_by,decided_by', 'decided')",
    "create trigger credits_are_audited after insert on billing_report_credits"
    " for each row execute function audit_change("
    "'credit', 'dispute_id', 'report_id,credit_number,of_report_id,of_line_number,amount_cents')",
    "create trigger replays_are_audited after update of replayed_at on quarantined_leads"
    " for each row execute function audit_change("
    "'quarantined_lead', 'quarantine_id', 'lead_id,reason,replayed_at', 'replayed')",
    "create constraint trigger rate_cards_are_audited after insert on rate_cards"
    " deferrable initially deferred for each row execute function audit_rate_card()",
    "create trigger leads_are_never_changed before update on leads"
    " for each row execute function refuse_change_of_lead()",
    "create trigger audit_entries_are_kept before update or delete on audit_log"
    " for each row execute function refuse_change_of_audit()",
    "create trigger audit_entries_are_never_emptied before truncate on audit_log"
    " for each statement execute function refuse_change_of_audit()",
)
_TRIGGERS_OF_OTHERS = {
    "customers": "customers_are_audited",
    "products": "products_are_audited",
    "lead_types": "lead_types_are_audited",
    "billing_reports": "reports_are_audited",
    "quarantined_leads": "replays_are_audited",
    "rate_cards": "rate_cards_are_audited",
    "disputes": "disputes_are_audited",
    "billing_report_credits": "credits_are_audited",
    "leads": "leads_are_never_changed",
}

_CUSTOMERS = uuid.uuid5(uuid.NAMESPACE_URL, "urn:lead-billing:customer")
_CANONICAL_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def _customer_id(external_id: str) -> uuid.UUID:
    if _CANONICAL_UUID.fullmatch(external_id):
        return uuid.UUID(external_id)
    return uuid.uuid5(_CUSTOMERS, external_id)


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.Text(collation="C"), nullable=False, comment="part of the key"),
        sa.Column("name", sa.Text(), nullable=False, comment="who or what uses it"),
        sa.Column("role", sa.Enum("ingest", "viewer", "admin", name="key_role"), nullable=False),
        sa.Column(
            "customer_id",
            sa.UUID(),
            nullable=True,
            comment="null: of every customer; else sees and sends this one's data alone",
        ),
        sa.Column(
            "secret_hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of the whole key"
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "expires_at", sa.DateTime(timezone=True), nullable=True, comment="refused from then on"
        ),
        sa.Column(
            "rotated_from",
            sa.Text(collation="C"),
            nullable=True,
            comment="the key that was rotated",
        ),
        sa.CheckConstraint(
            "role <> 'admin' or customer_id is null",
            name=op.f("ck_api_keys_an_admin_belongs_to_no_customer"),
        ),
        sa.CheckConstraint(
            "octet_length(secret_hash) = 32", name=op.f("ck_api_keys_secret_hash_is_sha256")
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customers.customer_id"],
            name=op.f("fk_api_keys_customer_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["rotated_from"],
            ["api_keys.key_id"],
            name=op.f("fk_api_keys_replaces"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_api_keys")),
    )
    op.create_table(
        "audit_log",
        sa.Column("entry_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "actor", sa.Text(), nullable=False, comment="a key, a command, or a database role"
        ),
        sa.Column(
            "database_user",
            sa.Text(),
            nullable=False,
            comment="who was signed in to the database",
        ),
        sa.Column(
            "action",
            sa.Text(),
            nullable=False,
            comment="created, changed, closed, replayed, erased, ...",
        ),
        sa.Column("subject", sa.Text(), nullable=False, comment="kind of what was changed"),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("after", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_audit_log")),
    )
    op.add_column(
        "quarantined_leads",
        sa.Column(
            "customer_id",
            sa.UUID(),
            nullable=True,
            comment="of the customer that the lead names, registered or not",
        ),
    )
    connection = op.get_bind()
    held = connection.execute(
        sa.text("select quarantine_id, lead ->> 'customer_id' as customer from quarantined_leads")
    )
    for row in held.all():
        connection.execute(
            sa.text(
                "update quarantined_leads set customer_id = :customer where quarantine_id = :id"
            ),
            {"customer": _customer_id(row.customer), "id": row.quarantine_id},
        )
    op.alter_column("quarantined_leads", "customer_id", nullable=False)
    functions = (_WRITE, _AUDITED, _CHANGE, _CARD, _OWN_CUSTOMER, _LEADS_STAY, _APPEND_ONLY)
    for statement in (*functions, *_TRIGGERS):
        connection.exec_driver_sql(statement.replace("%", "%%"))
    # It looks at reports, which those who store actions may not.
    op.execute("alter function actions_mark_late() security definer")
    op.execute("alter function actions_mark_late() set search_path = public, pg_temp")
    # Nobody calls these but the triggers.
    op.execute(
        "revoke execute on function write_audit_entry(text, text, text, jsonb, jsonb),"
        " audited(jsonb, text[]) from public"
    )


def downgrade() -> None:
    for table, trigger in _TRIGGERS_OF_OTHERS.items():
        op.execute(f"drop trigger {trigger} on {table}")
    op.execute("alter function actions_mark_late() security invoker")
    op.execute("alter function actions_mark_late() reset search_path")
    # With the policies that call it, which are applied behind the migrations.
    op.execute("drop function tenant() cascade")
    op.drop_table("audit_log")
    op.drop_table("api_keys")
    op.drop_column("quarantined_leads", "customer_id")
    for function in (
        "refuse_change_of_audit()",
        "refuse_change_of_lead()",
        "audit_rate_card()",
        "audit_change()",
        "audited(jsonb, text[])",
        "write_audit_entry(text, text, text, jsonb, jsonb)",
    ):
        op.execute(f"drop function {function}")
    op.execute("drop type key_role")
