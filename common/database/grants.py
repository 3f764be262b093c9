"""The database roles: who may do what with which table, and which rows a customer's key shows.

Invariant: what is granted is what stands in TABLES, whatever was granted before; no role here owns
anything. Applied behind every migration, by the role that owns the tables.
"""

import hashlib
from typing import NamedTuple

from psycopg2.extensions import encrypt_password  # type: ignore[import-untyped]
from sqlalchemy import Connection, text

from common.settings import Settings

FUNCTION = "lead_billing_function"
SERVICE = "lead_billing_service"
# What the service becomes for the length of a transaction that serves a tenant.
CUSTOMER = "lead_billing_customer"
ROLES = (FUNCTION, SERVICE, CUSTOMER)

# A policy compares a column with a setting and looks nothing up. Products, default rate cards and
# billing runs belong to no customer, so the queries choose what a tenant is shown of them
# (common/catalog/products.py, common/rating/rate_cards.py, common/final_reports/models.py).
_OF_TENANT = "customer_id = tenant()"
_OF_TENANT_OR_ALL = f"customer_id is null or {_OF_TENANT}"
_WHOLE = "true"
_LEAD_COLUMNS = (
    "customer_id, lead_id, external_id, product_id, lead_type, user_key, has_user, known_by, "
    "unusable, user_email, user_phone, user_external_id, created_at"
)
# UPDATE of its key lets a statement lock the lead it meets (ON CONFLICT); a trigger refuses to
# change any of it.
_STORE_LEADS = f"insert ({_LEAD_COLUMNS}), update (lead_id)"
_ANNOUNCE = "insert (customer_id, webhook_id, owner_id, event_type, data)"
_KEEP_TOTALS = "select, insert, update, delete"


class Access(NamedTuple):
    """What may be done with a table. `shown` are the rows that a customer's key shows."""

    function: str = ""
    service: str = "select"
    shown: str = ""


TABLES: dict[str, Access] = {
    "alembic_version": Access(),
    "api_keys": Access(
        "select",
        "select, insert (key_id, name, role, customer_id, secret_hash, expires_at, rotated_from)",
    ),
    "audit_log": Access("", "select, insert (action, subject, subject_id, before, after)"),
    "erased_users": Access("select (customer_id, user_key)", "select (customer_id, user_key)"),
    "customers": Access(
        "select (customer_id, external_id, name, timezone, phone_region, closed_through, "
        "created_at)",
        "select, insert (customer_id, external_id, name, email, timezone, phone_region, "
        "billing_address, tax_id, payment_terms_days, billing_email), "
        "update (name, email, timezone, phone_region, billing_address, tax_id, "
        "payment_terms_days, billing_email, closed_through)",
        _OF_TENANT,
    ),
    "products": Access("select (product_id)", "select, insert, update (name, description)", _WHOLE),
    "lead_types": Access("select", "select", _WHOLE),
    "deployment": Access("select, insert", "select, insert", _WHOLE),
    "leads": Access(
        "select (xmax, customer_id, lead_id, product_id, lead_type, user_key, has_user, "
        "created_at), " + _STORE_LEADS,
        "select, " + _STORE_LEADS,
        _OF_TENANT,
    ),
    # A trigger lets the spelling of an action fall to a lower one, and nothing else of it change.
    "actions": Access(
        "select (customer_id, lead_id, action_id, user_key, timestamp, action_type), insert, "
        "update (action_type)",
        "select, insert, update (action_type)",
        _OF_TENANT,
    ),
    "voided_actions": Access("select (customer_id, lead_id, action_id)", "select", _OF_TENANT),
    "late_actions": Access(
        "select (customer_id, lead_id, action_id), insert", "select, insert, delete", _OF_TENANT
    ),
    "quarantined_leads": Access(
        "select (customer_id, quarantine_id), insert",
        "select, insert, update (reason, replayed_at), delete",
        _OF_TENANT,
    ),
    # The function that hears of files in the bucket sees nothing of what was imported.
    "imports": Access(
        "select (import_id, file_key, arrived_at), "
        "insert (import_id, created_by, file_name, mapping, row_count, rows_done, counts, "
        "actions_added, refused_count, file_key, file_bytes, arrived_at, error), "
        "update (arrived_at)",
        "select, insert, update (row_count, rows_done, counts, actions_added, refused_count, "
        "refused, finished_at, file_key, arrived_at, attempts, lease_id, leased_until, error)",
        _OF_TENANT,
    ),
    "mappings": Access("select", "select, insert, update (mapping), delete", _OF_TENANT),
    "exports": Access(
        "",
        "select, insert, update (attempts, lease_id, leased_until, rows_total, rows_done, "
        "finished_at, expires_at, error, file_name, file_bytes)",
        _OF_TENANT,
    ),
    "idempotency_keys": Access("", "select, insert, update, delete"),
    "webhooks": Access(
        "select (webhook_id, customer_id, events)",
        "select, insert, delete, update "
        "(secret_salt, previous_salt, previous_until, disabled_at, disabled_because)",
        _OF_TENANT,
    ),
    # A customer's events may be told the operator too, in rows that are not the customer's.
    "webhook_deliveries": Access(
        _ANNOUNCE,
        f"select, delete, {_ANNOUNCE}, insert (message_id, occurred_at), update "
        "(attempts, next_attempt_at, failing_since, last_attempt_at, last_status, last_error, "
        "delivered_at)",
        "owner_id = tenant()",
    ),
    "rate_cards": Access("", "select, insert", _OF_TENANT_OR_ALL),
    "rate_card_rates": Access("", "select, insert", _OF_TENANT_OR_ALL),
    "rate_card_charged_duplicates": Access("", "select, insert", _OF_TENANT_OR_ALL),
    "billing_runs": Access(
        "",
        "select, insert, update (finished_at, closed, already_closed, failed, due_cents)",
        _WHOLE,
    ),
    "parked_customers": Access(
        "", "select, insert, update (run_id, reason, parked_at), delete", _OF_TENANT
    ),
    "deliveries": Access(
        "",
        "select, insert, update (status, attempts, next_attempt_at, provider_id, detail, sent_at)",
        _OF_TENANT,
    ),
    "statement_numbers": Access("", "select, insert, update (last_number)"),
    "billing_reports": Access("", "select, insert", _OF_TENANT),
    "billing_report_line_blocks": Access("", "select, insert", _OF_TENANT),
    "billing_report_lead_totals": Access("", "select, insert", _OF_TENANT),
    "billing_report_credits": Access("", "select, insert", _OF_TENANT),
    "disputes": Access(
        "",
        "select, insert, update (status, decided_by, decision_note, decided_at)",
        _OF_TENANT,
    ),
    "dispute_lines": Access(
        "", "select, insert, update (report_id, line_number, amount_cents)", _OF_TENANT
    ),
    "signing_keys": Access("", "select, insert (key_id, algorithm, public_key)", _WHOLE),
    "signed_heads": Access("", "select, insert", _WHOLE),
    "merkle_nodes": Access("", "select, insert", _WHOLE),
    "report_seals": Access("", "select, insert", _OF_TENANT),
    "audit_seals": Access("", "select, insert"),
    "rating_backlog": Access("insert", "select, insert, update (is_taken), delete", _OF_TENANT),
    "standing_month_totals": Access("", _KEEP_TOTALS, _OF_TENANT),
    "standing_part_totals": Access("", _KEEP_TOTALS, _OF_TENANT),
    "standing_user_totals": Access("", _KEEP_TOTALS, _OF_TENANT),
    "standing_lead_totals": Access("", _KEEP_TOTALS, _OF_TENANT),
}
_FOR_SERVICE = (
    f"grant usage on sequence rate_card_rates_rate_id_seq to {SERVICE}",
    # Erasing a user changes stored leads: by this function alone, which changes nothing else.
    "grant execute on function erase_users(uuid, uuid[], uuid[], uuid[], uuid[]) to " + SERVICE,
    # Rotating and revoking end a key: by this function alone, which revives none.
    "grant execute on function end_key(text, timestamptz) to " + SERVICE,
    # Voiding takes actions away: by this function alone, which keeps them as voided ones.
    "grant execute on function void_actions(uuid, uuid, uuid[], text) to " + SERVICE,
)


class RolesMissingError(RuntimeError):
    """The roles are not there, and whoever migrates may not make them."""


def grant(connection: Connection, settings: Settings) -> None:
    """Creates the roles, grants what TABLES says, and sets the passwords that the settings name.

    Does nothing where the schema is older than the roles. Raises RolesMissingError, and
    LookupError for a table that TABLES does not know.
    """
    if not connection.scalar(text("select to_regproc('tenant') is not null")):
        return
    _make_roles(connection)
    statements = _statements(connection)
    mark = hashlib.sha256("\n".join(statements).encode()).hexdigest()
    # Policies lock their tables, so they are left alone while they are what they should be.
    current = text("select obj_description('tenant()'::regprocedure)")
    if connection.scalar(current) != mark:
        for statement in statements:
            connection.exec_driver_sql(statement)
        connection.exec_driver_sql(f"comment on function tenant() is '{mark}'")
    for role, password in (
        (FUNCTION, settings.function_password.get_secret_value()),
        (SERVICE, settings.service_password.get_secret_value()),
    ):
        if password:
            _set_password(connection, role, password)


def _statements(connection: Connection) -> list[str]:
    tables = set(
        connection.scalars(text("select tablename from pg_tables where schemaname = 'public'"))
    )
    views = connection.scalars(text("select viewname from pg_views where schemaname = 'public'"))
    unknown = tables - TABLES.keys()
    if unknown:
        raise LookupError(
            f"common/database/grants.py does not say who may use {', '.join(sorted(unknown))}"
        )
    everybody = ", ".join(ROLES)
    statements = [f"revoke all on all tables in schema public from {everybody}"]
    for table in sorted(tables):
        access = TABLES[table]
        for role, granted in ((FUNCTION, access.function), (SERVICE, access.service)):
            if granted:
                statements.append(f"grant {granted} on {table} to {role}")
        statements += [
            f"alter table {table} enable row level security",
            f"drop policy if exists all_rows on {table}",
            f"create policy all_rows on {table} to {FUNCTION}, {SERVICE} "
            "using (true) with check (true)",
            f"drop policy if exists tenant_rows on {table}",
        ]
        if access.shown:
            statements += [
                f"grant select on {table} to {CUSTOMER}",
                f"create policy tenant_rows on {table} for select to {CUSTOMER} "
                f"using ({access.shown})",
            ]
    # A view shows its reader what the tables beneath it do.
    statements += [f"grant select on {view} to {SERVICE}, {CUSTOMER}" for view in sorted(views)]
    return [*statements, *_FOR_SERVICE]


def _make_roles(connection: Connection) -> None:
    existing = set(connection.scalars(text("select rolname from pg_roles")))
    missing = [role for role in ROLES if role not in existing]
    may_create = text("select rolsuper or rolcreaterole from pg_roles where rolname = current_user")
    if missing and not connection.scalar(may_create):
        raise RolesMissingError(
            f"the database roles {', '.join(missing)} are missing: migrate as a role with "
            "CREATEROLE, or have them created (docs/decisions/0010-database-roles.md)"
        )
    for role in missing:
        # Roles belong to the whole cluster: another database's migration may make them as we do.
        connection.exec_driver_sql(
            f"do $$ begin create role {role} nologin; "
            "exception when duplicate_object or unique_violation then null; end $$"
        )
    if not connection.scalar(text(f"select pg_has_role('{SERVICE}', '{CUSTOMER}', 'member')")):
        connection.exec_driver_sql(f"grant {CUSTOMER} to {SERVICE}")
    # So that one process can play both parts on a developer's machine, where a superuser does.
    version = connection.scalar(text("select current_setting('server_version_num')::int"))
    kind = "set" if (version or 0) >= 160000 else "member"
    for role in ROLES:
        if not connection.scalar(text(f"select pg_has_role(current_user, '{role}', '{kind}')")):
            connection.exec_driver_sql(f"grant {role} to current_user")


def _set_password(connection: Connection, role: str, password: str) -> None:
    driver = connection.connection.driver_connection
    # The server, and its log, get to see no more than a verifier of it.
    verifier = encrypt_password(password, role, driver, "scram-sha-256")
    connection.exec_driver_sql(f"alter role {role} login password '{verifier}'")
