"""Let users be erased: who they are goes, and whom they are billed under stays."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

# Waits for whoever is storing leads, and has those wait who come next: they find the user erased.
_HOLD = """
create function hold_storing() returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    lock table leads, quarantined_leads in share row exclusive mode;
end $$
"""
_ERASE = """
create function erase_users(
    customer uuid, users uuid[], of_leads uuid[], held uuid[], held_users uuid[],
    out leads bigint, out quarantined_leads bigint
) language plpgsql security definer set search_path = public, pg_temp as $$
begin
    insert into erased_users (user_key) select unnest(users) on conflict do nothing;
    update leads as lead set user_email = null, user_phone = null, user_external_id = null
    where lead.lead_id = any (of_leads) and lead.customer_id = customer
        and coalesce(lead.user_email, lead.user_phone, lead.user_external_id) is not null;
    get diagnostics leads = row_count;
    update quarantined_leads as entry set lead = entry.lead - 'user', user_key = person.user_key
    from unnest(held, held_users) as person (quarantine_id, user_key)
    where entry.quarantine_id = person.quarantine_id and entry.customer_id = customer;
    get diagnostics quarantined_leads = row_count;
    perform write_audit_entry(
        'erased', 'user', users[1]::text, null,
        jsonb_build_object(
            'customer_id',
            (select external_id from customers where customers.customer_id = customer),
            'user_keys', users, 'leads', leads, 'quarantined_leads', quarantined_leads
        )
    );
end $$
"""
# An erased user's later leads keep whom they are billed under, and nothing else of the person.
_STORED = """
create function blank_leads_of_erased_users() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if exists (select from erased_users) then
        update leads set user_email = null, user_phone = null, user_external_id = null
        from inserted join erased_users using (user_key)
        where leads.lead_id = inserted.lead_id;
    end if;
    return null;
end $$
"""
_HELD = """
create function blank_held_leads_of_erased_users() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if exists (select from erased_users) then
        update quarantined_leads set lead = quarantined_leads.lead - 'user'
        from inserted join erased_users using (user_key)
        where quarantined_leads.quarantine_id = inserted.quarantine_id;
    end if;
    return null;
end $$
"""
_TRIGGERS = {
    "leads": "leads_of_erased_users_are_blank",
    "quarantined_leads": "held_leads_of_erased_users_are_blank",
}
_FUNCTIONS = {
    "leads": "blank_leads_of_erased_users",
    "quarantined_leads": "blank_held_leads_of_erased_users",
}


def upgrade() -> None:
    op.create_table(
        "erased_users",
        sa.Column("user_key", sa.UUID(), nullable=False),
        sa.Column(
            "erased_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("user_key", name=op.f("pk_erased_users")),
    )
    op.add_column(
        "quarantined_leads",
        sa.Column(
            "user_key",
            sa.UUID(),
            nullable=True,
            comment="whom a lead that names a user is billed under, also once that is erased",
        ),
    )
    for statement in (_HOLD, _ERASE, _STORED, _HELD):
        op.execute(statement)
    for table, trigger in _TRIGGERS.items():
        op.execute(
            f"create trigger {trigger} after insert on {table} referencing new table as inserted "
            f"for each statement execute function {_FUNCTIONS[table]}()"
        )
    op.execute(
        "revoke execute on function hold_storing(), "
        "erase_users(uuid, uuid[], uuid[], uuid[], uuid[]) from public"
    )


def downgrade() -> None:
    for table, trigger in _TRIGGERS.items():
        op.execute(f"drop trigger {trigger} on {table}")
        op.execute(f"drop function {_FUNCTIONS[table]}()")
    op.execute("drop function erase_users(uuid, uuid[], uuid[], uuid[], uuid[])")
    op.execute("drop function hold_storing()")
    op.drop_column("quarantined_leads", "user_key")
    op.drop_table("erased_users")
