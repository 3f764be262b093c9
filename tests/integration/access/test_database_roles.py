"""The database roles: what each part may do, and whose rows it sees."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, NullPool, create_engine, make_url, text

from common.access.authentication import authenticator
from common.catalog.customers import register_customer
from common.catalog.products import register_product
from common.database.engine import forget_engines, in_role
from common.database.errors import StatementRefused
from common.database.transactions import acting_as, snapshot, transaction
from common.identifiers import customer_id
from common.problems import DatabaseUnavailable
from common.settings import settings
from functions.ingest.handler import handler
from scripts.embedded_postgres import EmbeddedPostgres
from scripts.gateway import LambdaContext
from scripts.migrate import upgrade_configured_database
from tests.integration.access.conftest import As
from tests.support.api import action, lead
from tests.support.function import event


@pytest.fixture
def filled_engine(two_customers: httpx.Client, configured_database: str) -> Iterator[Engine]:
    engine = create_engine(configured_database)
    yield engine
    engine.dispose()


FUNCTION_MAY_NOT = [
    "select * from billing_reports",
    "update billing_reports set due_cents = 0",
    "select * from billing_report_lines",
    "insert into billing_report_line_blocks (first_line) values (1)",
    "select user_email from leads",
    "select email from customers",
    "select billing_email from customers",
    "select * from customers",
    "update leads set customer_id = customer_id",
    "delete from leads",
    "delete from actions",
    "update actions set engagement_level = 'Low'",
    "select lead from quarantined_leads",
    "update quarantined_leads set replayed_at = now()",
    "insert into customers (customer_id, external_id, name, email)"
    " values (gen_random_uuid(), 'x', 'x', 'x')",
    "update customers set name = 'x'",
    "select * from rate_cards",
    "insert into api_keys (key_id) values ('x')",
    "update api_keys set role = 'admin'",
    "select * from audit_log",
    "insert into audit_log (action, subject, subject_id) values ('x', 'x', 'x')",
    "select erase_users(null, null, null, null, null)",
    "select void_actions(null, null, null, null)",
    "select end_key('x', now())",
    "select reason from voided_actions",
    "insert into erased_users (customer_id, user_key)"
    " values (gen_random_uuid(), gen_random_uuid())",
]
SERVICE_MAY_NOT = [
    "update leads set customer_id = customer_id",
    "update leads set user_email = null",
    "delete from leads",
    "update actions set engagement_level = 'Low'",
    "delete from actions",
    "insert into voided_actions (reason) values ('x')",
    "update voided_actions set reason = 'x'",
    "update billing_reports set due_cents = 0",
    "delete from billing_reports",
    "update billing_report_line_blocks set billed_cents = '{0}'",
    "delete from billing_report_line_blocks",
    "truncate billing_report_line_blocks",
    "update rate_cards set cap_cents = 1",
    "update rate_card_rates set amount_cents = 1",
    "delete from customers",
    "update customers set customer_id = gen_random_uuid()",
    "update api_keys set secret_hash = sha256('')",
    "update api_keys set expires_at = null",
    "delete from api_keys",
    "insert into api_keys (key_id, name, role, secret_hash) values ('x', 'x', 'admin', sha256(''))"
    " on conflict (key_id) do update set expires_at = null",
    "insert into api_keys (key_id, name, role, secret_hash, created_at)"
    " values ('x', 'x', 'admin', sha256(''), now())",
    "update api_keys set role = 'admin'",
    "insert into audit_log (actor, action, subject, subject_id) values ('x', 'x', 'x', 'x')",
    "insert into audit_log (database_user, action, subject, subject_id)"
    " values ('x', 'x', 'x', 'x')",
    "update audit_log set actor = 'x'",
    "delete from audit_log",
    "truncate audit_log",
    "insert into lead_types values ('x')",
    "delete from erased_users",
    "update quarantined_leads set lead = '{}'",
    "update disputes set opened_by = 'x'",
    "update billing_runs set actor = 'x'",
    "alter table leads disable trigger all",
    "drop table leads",
    "create table mine (x int)",
]


def refused_as(engine: Engine, role: str, statement: str) -> str:
    """The words in which PostgreSQL refuses a statement of that role; empty where it does not."""
    with engine.connect() as connection:
        connection.exec_driver_sql(f"set role {role}")
        try:
            connection.exec_driver_sql(statement)
        except Exception as error:
            return str(error)
        return ""


@pytest.mark.parametrize(
    ("role", "statements"),
    [("lead_billing_function", FUNCTION_MAY_NOT), ("lead_billing_service", SERVICE_MAY_NOT)],
)
def test_role_may_not_do_what_is_not_its_part(
    filled_engine: Engine, role: str, statements: list[str]
) -> None:
    for statement in statements:
        words = refused_as(filled_engine, role, statement)
        assert "permission denied" in words or "must be owner" in words, (statement, words)


@pytest.mark.parametrize("role", ["lead_billing_function", "lead_billing_service"])
def test_no_role_changes_a_stored_lead_by_its_key_either(filled_engine: Engine, role: str) -> None:
    words = refused_as(filled_engine, role, "update leads set lead_id = gen_random_uuid()")

    assert "a stored lead is never changed" in words


@pytest.mark.parametrize("role", ["lead_billing_function", "lead_billing_service"])
@pytest.mark.parametrize("month", ["2024-04", "2024-05"])
def test_role_lowers_the_spelling_of_an_action_in_an_open_month_alone(
    filled_engine: Engine, role: str, month: str
) -> None:
    def respell(spelling: str) -> str:
        where = f"to_char(timestamp at time zone 'UTC', 'YYYY-MM') = '{month}'"
        change = f"update actions set action_type = {spelling} where {where}"
        return refused_as(filled_engine, role, change)

    assert "a stored action is never changed" in respell("lower(action_type)")
    assert ("a stored action is never changed" in respell("upper(action_type)")) == (
        month == "2024-04"  # it is closed
    )


def test_service_cannot_give_a_key_more_time(
    admin: httpx.Client, client_as: As, configured_database: str
) -> None:
    client_as("viewer")
    key_id = admin.get("/keys").json()["data"][0]["key_id"]
    admin.post(f"/keys/{key_id}/rotate", json={"overlap_hours": 1}).raise_for_status()
    engine = create_engine(configured_database, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    end_later = text("select end_key(:key_id, now() + interval '1 year')")

    with engine.connect() as connection:
        connection.exec_driver_sql("set role lead_billing_service")
        kept = connection.scalar(end_later, {"key_id": key_id})
        admin.post(f"/keys/{key_id}/revoke").raise_for_status()
        revived = connection.scalar(end_later, {"key_id": key_id})

    assert kept < datetime.now(UTC) + timedelta(hours=2)
    assert revived is None


def test_not_even_the_owner_changes_or_deletes_audit_entries(filled_engine: Engine) -> None:
    for statement in (
        "update audit_log set actor = 'x'",
        "delete from audit_log",
        "truncate audit_log",
    ):
        words = refused_as(filled_engine, "postgres", statement)
        assert "audit entries are never changed or deleted" in words


def test_roles_own_nothing_and_bypass_nothing(filled_engine: Engine) -> None:
    with filled_engine.connect() as connection:
        owned = connection.scalar(
            text(
                "select count(*) from pg_class join pg_roles on relowner = pg_roles.oid"
                " where rolname like 'lead_billing_%'"
            )
        )
        mighty = connection.scalar(
            text(
                "select count(*) from pg_roles where rolname like 'lead_billing_%'"
                " and (rolsuper or rolcreaterole or rolcreatedb or rolbypassrls)"
            )
        )
        unprotected = connection.scalars(
            text(
                "select relname from pg_class where relkind = 'r' and not relrowsecurity"
                " and relnamespace = 'public'::regnamespace"
            )
        ).all()

    assert (owned, mighty, unprotected) == (0, 0, [])


def test_customers_role_sees_nothing_until_it_names_a_customer(filled_engine: Engine) -> None:
    with filled_engine.connect() as connection:
        connection.exec_driver_sql("set role lead_billing_customer")
        assert connection.exec_driver_sql("select * from leads").all() == []
        assert connection.exec_driver_sql("select * from customers").all() == []


@pytest.mark.usefixtures("configured_database")
def test_migrated_by_no_superuser_each_part_signs_in_with_its_own_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on RDS, whose master may create roles and is no superuser."""

    def sign_in_as(role: str, password: str) -> None:
        url = server.set(username=role, password=password, database="lead_billing")
        monkeypatch.setenv("DATABASE_URL", url.render_as_string(hide_password=False))
        for cached in (settings, authenticator):
            cached.cache_clear()
        forget_engines()

    with EmbeddedPostgres(tmp_path, durable=False) as address:
        server = make_url(address)
        superuser = create_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with superuser.connect() as connection:
            connection.exec_driver_sql("create role master login createrole password 'master-key'")
            connection.exec_driver_sql("create database lead_billing owner master")
        for passwords in (("first-f", "first-s"), ("second-f", "second-s")):
            monkeypatch.setenv("FUNCTION_PASSWORD", passwords[0])
            monkeypatch.setenv("SERVICE_PASSWORD", passwords[1])
            sign_in_as("master", "master-key")
            upgrade_configured_database()

        sign_in_as("lead_billing_service", "second-s")
        with acting_as("a test"), transaction() as session:
            register_customer(session, "acme", "Acme", "a@acme.test")
            register_product(session, "abc", "abc", None)
        sign_in_as("lead_billing_function", "second-f")
        context = LambdaContext(aws_request_id="aws-1")
        sent = handler(event(json.dumps(lead("l1", action()))), context)
        for other in ("lead_billing_service", "lead_billing_customer", "master"):
            with pytest.raises(StatementRefused), transaction() as session:
                session.execute(text(f"set role {other}"))
        sign_in_as("lead_billing_service", "second-s")
        with acting_as("a test", customer_id("acme")), snapshot() as session:
            seen = session.execute(
                text("select session_user, current_user, count(*) from leads group by 1, 2")
            ).one()
        sign_in_as("lead_billing_function", "first-f")
        with pytest.raises(DatabaseUnavailable), transaction():
            pass

    assert sent["statusCode"] == 201
    assert tuple(seen) == ("lead_billing_service", "lead_billing_customer", 1)


def test_the_parts_work_in_their_roles(two_customers: httpx.Client) -> None:
    with in_role("lead_billing_function"), transaction() as session:
        assert session.scalar(text("select current_user")) == "lead_billing_function"
