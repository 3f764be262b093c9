"""The schema: migrations there and back, and what the database itself refuses."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, inspect, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from common.catalog.models import LeadType
from common.identifiers import customer_id, lead_id, product_id
from common.rating.models import RateCard, RateCardRate
from common.tables import Base
from scripts.migrate import upgrade_schema
from tests.support.api import PROJECT

ACME = customer_id("acme")
LEAD = lead_id(ACME, "l1")
ACTION = """
insert into actions (
    lead_id, action_id, customer_id, product_id, user_key, lead_type, lead_created_at,
    action_type, action_key, engagement_level, timestamp, occurrence
) values (
    :lead, gen_random_uuid(), :customer, :product, gen_random_uuid(), 'Webinar', now(),
    'Call', 'call', 'High', now(), :occurrence
)
"""


def config(connection: Connection) -> Config:
    made = Config(toml_file=PROJECT / "pyproject.toml")
    made.attributes["connection"] = connection
    return made


@pytest.fixture
def empty(empty_database_url: str) -> Iterator[Engine]:
    engine = create_engine(empty_database_url)
    yield engine
    engine.dispose()


def left_behind(connection: Connection) -> list[str]:
    """Every table, type, function and sequence of ours in the database."""
    return list(
        connection.scalars(
            text(
                "select relname from pg_class where relnamespace = 'public'::regnamespace"
                " union all select proname from pg_proc"
                " where pronamespace = 'public'::regnamespace"
                " union all select typname from pg_type"
                " where typnamespace = 'public'::regnamespace"
            )
        )
    )


# --- migrations


def test_downgrade_to_the_base_leaves_nothing_and_upgrade_works_again(empty: Engine) -> None:
    with empty.connect() as connection:
        upgrade_schema(connection)
        tables = set(inspect(connection).get_table_names())
        command.downgrade(config(connection), "base")
        kept = [name for name in left_behind(connection) if "alembic_version" not in name]
        upgrade_schema(connection)

        assert kept == []
        assert set(inspect(connection).get_table_names()) == tables
        assert {"customers", "leads", "actions", "billing_reports", "rate_cards"} <= tables


def test_migrations_give_what_the_models_declare(engine: Engine) -> None:
    with engine.connect() as connection:
        command.check(config(connection))


def test_models_refer_to_what_their_tables_do(connection: Connection) -> None:
    for name, table in Base.metadata.tables.items():
        stored = inspect(connection).get_foreign_keys(name)
        pairs = {
            (column, f"{key['referred_table']}.{target}")
            for key in stored
            for column, target in zip(
                key["constrained_columns"], key["referred_columns"], strict=True
            )
        }

        assert {(key.parent.name, key.target_fullname) for key in table.foreign_keys} <= pairs


def test_guards_can_be_left_out(empty: Engine) -> None:
    with empty.connect() as connection:
        upgrade_schema(connection, with_guards=False)

        triggers = text("select tgname from pg_trigger where not tgisinternal")
        assert connection.scalars(triggers).all() == []
        command.check(config(connection))
        command.downgrade(config(connection), "base")


def test_upgrade_of_what_is_current_changes_nothing(engine: Engine) -> None:
    with engine.connect() as connection:
        upgrade_schema(connection)

        assert connection.scalar(select(text("count(*)")).select_from(RateCard)) == 1


def test_two_migrations_at_once_give_one_schema(empty: Engine) -> None:
    url = empty.url.render_as_string(hide_password=False)
    migrations = [
        subprocess.Popen(
            [sys.executable, "-m", "scripts.migrate"],
            cwd=PROJECT,
            env=os.environ | {"DATABASE_URL": url},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]

    ends = [
        (migration.communicate(timeout=60)[1], migration.returncode) for migration in migrations
    ]

    assert [status for _, status in ends] == [0, 0], ends
    with empty.connect() as connection:
        assert connection.scalar(select(text("count(*)")).select_from(RateCard)) == 1


def test_default_card_and_lead_types_are_there_from_the_start(connection: Connection) -> None:
    cards = connection.execute(
        select(RateCard.name, RateCard.version, RateCard.cap_cents, RateCard.valid_from)
    ).all()
    rates = connection.execute(
        select(
            RateCardRate.engagement_level,
            RateCardRate.amount_cents,
            RateCardRate.lead_type,
            RateCardRate.product_id,
        )
    ).all()
    lead_types = connection.scalars(select(LeadType.lead_type)).all()

    assert cards == [("Default", 1, 10_000, date(1, 1, 1))]
    assert sorted(rates) == [
        ("High", 1000, None, None),
        ("Low", 200, None, None),
        ("Medium", 500, None, None),
    ]
    assert sorted(lead_types) == [
        "Conference",
        "Demo Request",
        "Email Campaign",
        "Event",
        "Feedback",
        "Newsletter",
        "Referral",
        "Social Media",
        "Trade Show",
        "Webinar",
        "Website Visit",
    ]


# --- what the database refuses


@pytest.fixture
def stored(connection: Connection) -> Connection:
    """A connection behind which a customer, a product, a lead and an action are stored."""
    ids = {"customer": ACME, "product": product_id("abc"), "lead": LEAD}
    for statement in (
        "insert into customers (customer_id, external_id, name, email)"
        " values (:customer, 'acme', 'Acme', 'a@acme.test')",
        "insert into products (product_id, external_id, name) values (:product, 'abc', 'abc')",
        "insert into leads (lead_id, external_id, customer_id, product_id, lead_type, user_key,"
        " has_user, created_at) values (:lead, 'l1', :customer, :product, 'Webinar',"
        " gen_random_uuid(), false, now())",
    ):
        connection.execute(text(statement), ids)
    connection.execute(text(ACTION), ids | {"occurrence": 1})
    return connection


def refused(connection: Connection, statement: str, **parameters: Any) -> str:
    """The words in which the database refuses a statement."""
    with pytest.raises(DBAPIError) as raised:
        connection.execute(text(statement), parameters)
    return str(raised.value.orig)


def test_action_of_a_lead_that_is_not_stored_is_refused(stored: Connection) -> None:
    words = refused(
        stored,
        ACTION,
        lead=lead_id(ACME, "other"),
        customer=ACME,
        product=product_id("abc"),
        occurrence=1,
    )

    assert "a lead that is not stored" in words


@pytest.mark.parametrize("table", ["leads", "actions"])
def test_stored_rows_are_never_deleted(stored: Connection, table: str) -> None:
    assert f"rows of {table} are never deleted" in refused(stored, f"delete from {table}")


@pytest.mark.parametrize("table", ["customers", "products", "lead_types"])
def test_what_a_lead_refers_to_is_never_deleted(stored: Connection, table: str) -> None:
    assert "fk_leads_" in refused(stored, f"delete from {table}")


REPORT = """
with run as (
    insert into billing_runs (period, actor) values ('2024-04-01', 'a test') returning run_id
)
insert into billing_reports (
    report_id, run_id, customer_id, customer_name, period, timezone, rate_card_id, product_names,
    lead_count, action_count, prior_action_count, gross_cents, billed_cents, duplicate_cents,
    cap_cents, prior_billed_cents, due_cents, issuer, header, content_hash, document_type,
    number, issue_date, payment_terms_days, due_date, unit_prices
)
select :report, run_id, :customer, 'Acme', cast(:period as date), 'UTC', rate_card_id, '{}',
    1, 1, 0, :gross, :billed, :duplicate, :cap, 0, 0, 'Us', '[]', '',
    'statement', '1', '2024-05-01', 0, '2024-05-01', '[]'
from rate_cards, run
"""
BLOCK = """
insert into billing_report_line_blocks (
    report_id, first_line, last_line, customer_id, period, first_timestamp, last_timestamp,
    cap_limit_cents, lead_ids, action_ids, product_ids, user_keys, lead_types, action_types,
    engagement_levels, timestamps, gross_cents, billed_cents, cap_used_before_cents, rates,
    duplicate_of_lead_ids, duplicate_of_action_ids, duplicate_of_timestamps, block_hash
) values (
    :report, :first, :last, :customer, '2024-04-01', now(), now(), 10000,
    array[cast(:lead as uuid)], array[gen_random_uuid()], array[cast(:product as uuid)],
    array[gen_random_uuid()], array['Webinar'], array['Call'],
    array[cast('High' as engagement_level)], array[now()], array[cast(:gross as int)],
    array[cast(:billed as int)], array[cast(:used as int)], array['level'],
    array[cast(null as uuid)], array[cast(null as uuid)], array[cast(null as timestamptz)],
    sha256('')
)
"""
REPORT_ID = UUID("0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d")


def a_report(**members: Any) -> dict[str, Any]:
    return {
        "report": REPORT_ID,
        "customer": ACME,
        "period": "2024-04-01",
        "gross": 1000,
        "billed": 600,
        "duplicate": 0,
        "cap": 400,
    } | members


def a_block(**members: Any) -> dict[str, Any]:
    return {
        "report": REPORT_ID,
        "first": 1,
        "last": 1,
        "customer": ACME,
        "lead": LEAD,
        "product": product_id("abc"),
        "gross": 1000,
        "billed": 600,
        "used": 9400,
    } | members


@pytest.mark.parametrize(
    ("members", "constraint"),
    [
        ({"billed": 601}, "ck_billing_reports_adds_up"),
        ({"billed": -1, "cap": 1001}, "ck_billing_reports_is_not_negative"),
        ({"period": "2024-04-02"}, "ck_billing_reports_period_starts_a_month"),
        ({"customer": uuid4()}, "fk_billing_reports_customer_id"),
    ],
)
def test_report_that_cannot_be_is_refused(
    stored: Connection, members: dict[str, Any], constraint: str
) -> None:
    assert constraint in refused(stored, REPORT, **a_report(**members))


def test_customer_has_one_report_a_month(stored: Connection) -> None:
    stored.execute(text(REPORT), a_report())

    words = refused(stored, REPORT, **a_report(report=uuid4()))

    assert "uq_billing_reports_customer_id_period" in words


@pytest.mark.parametrize(
    ("members", "constraint"),
    [
        ({"gross": None}, "every_line_has_a_price"),
        ({"billed": -400}, "is_not_negative"),
        ({"used": -1}, "is_not_negative"),
        ({"first": 0, "last": 0}, "lines_count_from_one"),
        ({"last": 2}, "columns_are_of_one_length"),
    ],
)
def test_lines_that_cannot_be_are_refused(
    stored: Connection, members: dict[str, Any], constraint: str
) -> None:
    stored.execute(text(REPORT), a_report())

    words = refused(stored, BLOCK, **a_block(**members))

    assert f"ck_billing_report_line_blocks_{constraint}" in words


@pytest.mark.parametrize("table", ["billing_reports", "billing_report_line_blocks"])
def test_final_reports_and_their_lines_are_never_deleted(stored: Connection, table: str) -> None:
    stored.execute(text(REPORT), a_report())
    stored.execute(text(BLOCK), a_block())

    assert f"rows of {table} are never deleted" in refused(stored, f"delete from {table}")


def test_closed_period_is_never_reopened(stored: Connection) -> None:
    change = "update customers set closed_through = :period"
    stored.execute(text(REPORT), a_report())
    stored.execute(text(change), {"period": date(2024, 4, 1)})

    for period in (date(2024, 3, 1), date(2024, 5, 1), None):
        with stored.begin_nested() as attempt:
            assert "closed_through moves forward" in refused(stored, change, period=period)
            attempt.rollback()


def test_actions_are_stored_in_a_read_committed_transaction(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execution_options(isolation_level="REPEATABLE READ")

        words = refused(
            connection, ACTION, lead=LEAD, customer=ACME, product=product_id("abc"), occurrence=1
        )

    assert "stored in a READ COMMITTED transaction" in words


def test_lines_of_a_block_are_read_as_rows(stored: Connection) -> None:
    stored.execute(text(REPORT), a_report())
    stored.execute(text(BLOCK), a_block())

    line = stored.execute(text("select * from billing_report_lines")).one()

    assert (line.line_number, line.lead_id, line.outcome) == (1, LEAD, "partially_capped")
    assert (line.billed_cents, line.duplicate_cents, line.cap_cents) == (600, 0, 400)


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        (
            "insert into rate_cards (name, version, valid_from) values ('D', 1, '2024-01-01')",
            "uq_rate_cards_customer_id_version",
        ),
        (
            "insert into rate_cards (name, version, valid_from) values ('D', 2, '2024-01-02')",
            "ck_rate_cards_valid_from_starts_a_month",
        ),
        (
            "insert into rate_cards (name, version, valid_from, cap_cents)"
            " values ('D', 2, '2024-01-01', -1)",
            "ck_rate_cards_cap_is_not_negative",
        ),
        (
            "insert into rate_card_rates (rate_card_id, engagement_level, amount_cents)"
            " select rate_card_id, 'High', 1 from rate_cards",
            "uq_rate_card_rates_place",
        ),
        (
            "insert into rate_card_rates (rate_card_id, engagement_level, amount_cents, lead_type)"
            " select rate_card_id, 'High', -1, 'Webinar' from rate_cards",
            "ck_rate_card_rates_amount_is_not_negative",
        ),
        (
            "insert into rate_card_rates (rate_card_id, engagement_level, amount_cents, lead_type)"
            " select rate_card_id, 'High', 1, 'Palm Reading' from rate_cards",
            "fk_rate_card_rates_lead_type",
        ),
        (
            "insert into quarantined_leads (quarantine_id, lead_id, product_id, customer_id,"
            " position, lead, reason) values (gen_random_uuid(), gen_random_uuid(),"
            " gen_random_uuid(), gen_random_uuid(), 0, '[]', '')",
            "ck_quarantined_leads_lead_is_an_object",
        ),
    ],
)
def test_row_that_cannot_be_is_refused(
    connection: Connection, statement: str, constraint: str
) -> None:
    with pytest.raises(IntegrityError, match=constraint):
        connection.execute(text(statement))


def test_every_moment_is_stored_with_its_zone(connection: Connection) -> None:
    naive = connection.scalars(
        text(
            "select table_name || '.' || column_name from information_schema.columns"
            " where table_schema = 'public' and data_type = 'timestamp without time zone'"
        )
    ).all()

    assert naive == []
