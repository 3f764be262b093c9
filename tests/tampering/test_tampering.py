"""Whoever owns the database edits, deletes and adds what final reports stand on: all is named.

The tables and columns are those of the catalog, so a new one is tried without being listed here.
"""

import httpx
import pytest

from common.tables import Base
from tests.support.cheating import after, after_copy, after_edit, tables_with_columns
from tests.support.tampering_page import compare_or_write

# Tables that no final report stands on, and why.
NOT_BEHIND = {
    "alembic_version": "the version of the schema",
    "api_keys": "who may call the API",
    "deliveries": "what became of mails; a report can be sent again",
    "deployment": "the server refuses to start with another key",
    "erased_users": "whom to store no more; reports hold no person",
    "exports": "files, made again from the reports",
    "idempotency_keys": "answers, kept for a day",
    "imports": "files of leads, and what became of them",
    "mappings": "how to read files of leads",
    "parked_customers": "reasons why a period is not closed yet",
    "quarantined_leads": "leads that are not stored yet",
    "rating_backlog": "what to rate again for open periods",
    "standing_lead_totals": "totals of open periods, which closing does not read",
    "standing_month_totals": "totals of open periods, which closing does not read",
    "standing_part_totals": "totals of open periods, which closing does not read",
    "standing_user_totals": "totals of open periods, which closing does not read",
    "webhook_deliveries": "what is told to other systems",
    "webhooks": "whom to tell",
}
# Columns of the other tables that no final report stands on, and why.
MAY_CHANGE = {
    "customers.name": "is of today; the report keeps its own",
    "customers.email": "is of today, and no report holds it",
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
    "signing_keys.created_at": "the order of the list of keys",
}
# Tables to which a row may be added that no final report stands on, and why.
MAY_GROW = {
    "audit_log": "the next head holds an entry whoever wrote it",
    "billing_report_lead_totals": "of a report that is not there",
    "customers": "without a report",
    "late_actions": "of an action that is not stored, so nothing is rated",
    "lead_types": "of no lead",
    "leads": "without actions",
    "products": "of no lead",
    "rate_cards": "no report was closed with it",
}
# Which row is tried, where not every row of a table stands behind a report.
ROWS = {
    "actions": "action_type = 'Late'",
    "lead_types": "lead_type in (select lead_type from leads)",
    "leads": "external_id = 'l-3'",
    "products": "product_id in (select product_id from leads)",
}
TABLES = sorted(Base.metadata.tables)
BEHIND = [table for table in TABLES if table not in NOT_BEHIND]


def rows_of(table: str) -> list[str]:
    """The first and the last row, each as a condition."""
    condition = ROWS.get(table, "true")
    return [
        f"ctid = (select {which}(ctid) from {table} where {condition})" for which in ("min", "max")
    ]


def test_every_table_of_the_catalog_is_tried_or_excepted(sealed_months: httpx.Client) -> None:
    assert set(tables_with_columns()) == set(BEHIND) | NOT_BEHIND.keys()


def test_untouched_database_is_verified(sealed_months: httpx.Client) -> None:
    assert after("select 1") == ""


@pytest.mark.parametrize("table", BEHIND)
def test_each_edit_of_a_table_is_named(sealed_months: httpx.Client, table: str) -> None:
    columns = tables_with_columns()[table]
    first, last = rows_of(table)

    found = {column: after_edit(table, column, kind, first) for column, kind in columns.items()}
    key = list(Base.metadata.tables[table].primary_key)[-1].name
    added = after_copy(table, key, columns[key], first)

    assert [column for column, finding in found.items() if finding is None] == []
    unseen = [column for column, finding in found.items() if not finding]
    assert {f"{table}.{column}" for column in unseen} <= MAY_CHANGE.keys()
    for row in (first, last):
        assert after(f"delete from {table} where {row}", unconstrained=table), row
    assert added is not None
    assert added or table in MAY_GROW
    of_them = "; ".join(f"`{column}`: {MAY_CHANGE[f'{table}.{column}']}" for column in unseen)
    compare_or_write("tables", table, f"`{table}`", str(len(columns)), of_them)


@pytest.mark.parametrize("status", ["open", "rejected", "accepted"])
def test_each_edit_of_a_dispute_is_named(sealed_months: httpx.Client, status: str) -> None:
    """Of every status: an open one too is what a later report is closed with."""
    row = f"ctid = (select max(ctid) from disputes where status = '{status}')"
    of_dispute = f"dispute_id in (select dispute_id from disputes where status = '{status}')"
    tried = {"disputes": row, "dispute_lines": of_dispute}
    for table, where in tried.items():
        for column, kind in tables_with_columns()[table].items():
            assert after_edit(table, column, kind, where), f"{table}.{column}"
        assert after(f"delete from {table} where {where}", unconstrained=table)
