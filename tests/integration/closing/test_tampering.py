"""Whoever owns the database edits and deletes what stands behind final reports: all of it is named.

Each change is made in a transaction without triggers and foreign keys, checked there, and undone.
"""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from common.closing.verification import verify_report
from common.database.transactions import transaction
from common.final_reports.models import BillingReport
from common.proof.checking import differing_heads
from common.proof.sealing import seal_quietly
from common.proof.signing import make_key_file
from common.settings import settings

TABLES = (
    "actions",
    "audit_log",
    "audit_seals",
    "billing_report_credits",
    "billing_report_lead_totals",
    "billing_report_line_blocks",
    "billing_reports",
    "billing_runs",
    "customers",
    "dispute_lines",
    "disputes",
    "leads",
    "merkle_nodes",
    "products",
    "rate_card_rates",
    "rate_cards",
    "report_seals",
    "signed_heads",
    "signing_keys",
)
# What a final report does not stand on, and why.
MAY_CHANGE = {
    "billing_runs.finished_at": "written when the run ends; no report holds it",
    "billing_runs.closed": "a count that is written when the run ends",
    "billing_runs.already_closed": "a count that is written when the run ends",
    "billing_runs.failed": "a count that is written when the run ends",
    "billing_runs.due_cents": "a sum that is written when the run ends; reports hold theirs",
    "customers.name": "is of today; the report keeps its own",
    "customers.email": "is of today, and no report holds it",
    "customers.timezone": "is of today; the report keeps its own",
    "customers.phone_region": "of leads to come",
    "customers.billing_address": "is of today; the report keeps its own",
    "customers.tax_id": "is of today; the report keeps its own",
    "customers.payment_terms_days": "is of today; the report keeps its own",
    "customers.billing_email": "is of today, and no report holds it",
    "leads.user_email": "a person, who can be erased; the user key is held",
    "leads.user_phone": "a person, who can be erased; the user key is held",
    "leads.user_external_id": "a person, who can be erased; the user key is held",
    "products.name": "is of today; the report keeps its own",
    "products.description": "no report holds it",
    "rate_card_rates.engagement_level": "each level has its price: a unique key refuses another",
    "signed_heads.made_at": "the signed statement holds the time",
    "signing_keys.created_at": "the order of the list of keys",
    "signing_keys.algorithm": "a constraint allows one value",
}


# What the owner of a table may take away.
_WITHOUT_CHECKS = """
do $$
declare each text;
begin
    for each in
        select conname from pg_constraint where conrelid = '{0}'::regclass and contype = 'c'
    loop
        execute format('alter table {0} drop constraint %I', each);
    end loop;
    for each in
        select column_name from information_schema.columns
        where table_schema = 'public' and table_name = '{0}' and is_identity = 'YES'
    loop
        execute format('alter table {0} alter %I drop identity', each);
    end loop;
end $$
"""


def otherwise(column: str, kind: str) -> list[str]:
    """Other values for a column, the first of which that its constraints take is used."""
    if kind == "ARRAY":
        return [
            f"{column}[2:] || {column}[1:1]",
            f"array_fill({column}[1], array[cardinality({column})])",
            f"{column} || {column}",
            "array['x']",
            f"array(select each + 1 from unnest({column}) as each)",
            f"array(select case when each is null then 'x' end from unnest({column}) as each)",
            f"array(select case when each is null then gen_random_uuid() end "
            f"from unnest({column}) as each)",
            f"array(select now() from unnest({column}))",
            f"array(select 'Low'::engagement_level from unnest({column}))",
            f"array(select gen_random_uuid() from unnest({column}))",
            f"array(select each || 'x' from unnest({column}) as each)",
        ]
    return {
        "uuid": ["gen_random_uuid()"],
        "text": [f"coalesce({column}, '') || 'x'", "'audit'"],
        "integer": [f"coalesce({column}, 0) + 1", f"{column} + 100", f"{column} - 1"],
        "bigint": [f"coalesce({column}, 0) + 1", f"{column} + 1000000"],
        "date": [f"coalesce({column}, '2024-01-01') + interval '7 years'", f"{column} + 1"],
        "timestamp with time zone": [f"coalesce({column}, now()) + interval '1 microsecond'"],
        "boolean": [f"not coalesce({column}, false)"],
        "jsonb": ["""'{"other": "x"}'"""],
        "bytea": [f"sha256({column})"],
    }.get(kind) or ["'Low'", "'Medium'", "'external_id'", "'user_and_product'", "'other'", "'open'"]


@pytest.fixture
def sealed_months(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed_months: httpx.Client
) -> httpx.Client:
    make_key_file(tmp_path / "key.pem")
    monkeypatch.setenv("SIGNING_KEY_FILE", str(tmp_path / "key.pem"))
    monkeypatch.setenv("HEADS_DIR", str(tmp_path / "heads"))
    settings.cache_clear()
    seal_quietly()
    return closed_months


def findings(session: Session) -> list[str]:
    found = list(differing_heads(session, settings()))
    for report in session.scalars(select(BillingReport).order_by(BillingReport.period)):
        result = verify_report(session, report)
        if not result.is_verified:
            found.append(f"{report.period:%Y-%m}: {result.detail}")
    return found


def after(*changes: str, unchecked: str | None = None) -> list[str] | None:
    """What is found after changes, which are undone; None where a constraint refuses them."""
    with transaction() as session:
        session.execute(text("set local session_replication_role = replica"))
        if unchecked is not None:
            session.execute(text(_WITHOUT_CHECKS.format(unchecked)))
        try:
            for change in changes:
                if not session.connection().execute(text(change)).rowcount:
                    return None
        except DBAPIError:
            session.rollback()
            return None
        try:
            return findings(session)
        except DBAPIError as error:
            return [f"verification stops: {error}"]
        finally:
            session.rollback()


def columns_of(table: str) -> Iterator[tuple[str, str]]:
    with transaction() as session:
        names = text(
            "select column_name, data_type from information_schema.columns"
            " where table_schema = 'public' and table_name = :table order by ordinal_position"
        )
        yield from [(name, kind) for name, kind in session.execute(names, {"table": table})]


def test_untouched_database_is_verified(sealed_months: httpx.Client) -> None:
    with transaction() as session:
        assert findings(session) == []


@pytest.mark.parametrize("table", TABLES)
def test_each_edited_column_is_named(sealed_months: httpx.Client, table: str) -> None:
    unseen, refused = [], []
    first = f"ctid = (select min(ctid) from {table})"
    if table == "rate_card_rates":
        first = "engagement_level = 'High'"
    for column, kind in columns_of(table):
        for value in otherwise(f'"{column}"', kind):
            found = after(
                f'update {table} set "{column}" = {value} '
                f'where {first} and "{column}" is distinct from {value}',
                unchecked=table,
            )
            if found:
                break
            if found == []:
                unseen.append(f"{table}.{column}")
                break
        else:
            refused.append(f"{table}.{column}")

    assert set(unseen) - MAY_CHANGE.keys() == set()
    assert set(refused) - MAY_CHANGE.keys() == set()


# Without its customer, a report has no address.
@pytest.mark.parametrize("table", [table for table in TABLES if table != "customers"])
def test_each_deleted_row_is_named(sealed_months: httpx.Client, table: str) -> None:
    assert after(f"delete from {table} where ctid = (select min(ctid) from {table})")


def test_deleted_newest_report_is_named(sealed_months: httpx.Client) -> None:
    newest = "(select report_id from billing_reports order by period desc limit 1)"

    found = after(
        "update customers set closed_through = '2024-05-01'",
        f"delete from report_seals where report_id = {newest}",
        f"delete from billing_report_line_blocks where report_id = {newest}",
        f"delete from billing_reports where report_id = {newest}",
    )

    assert found
    assert any("head" in each for each in found)


def test_whole_history_made_anew_is_named_and_never_signed(sealed_months: httpx.Client) -> None:
    """The seals, the trees and the heads go: the heads in the second place do not."""
    found = after(
        *(
            f"delete from {table}"
            for table in ("report_seals", "audit_seals", "merkle_nodes", "signed_heads")
        )
    )

    assert found
    assert any("kept outside of the database" in each for each in found)
