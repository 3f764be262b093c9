"""What the owner of the database can do to it, and what verifying everything finds then.

Each change is made without triggers, foreign keys and other constraints, checked, and undone.
"""

import re
from collections.abc import Iterator

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from common.closing.verify_everything import (
    customers_to_verify,
    reports_to_verify,
    wrong_overall,
    wrong_with_customer,
    wrong_with_report,
)
from common.database.transactions import transaction

# What the owner of a table may take away from it.
_WITHOUT_CONSTRAINTS = """
do $$
declare each record;
begin
    set local session_replication_role = replica;
    for each in
        select conname from pg_constraint where conrelid = '{0}'::regclass and contype <> 'n'
    loop
        execute format('alter table {0} drop constraint if exists %I cascade', each.conname);
    end loop;
    for each in
        select indexrelid::regclass as name from pg_index
        where indrelid = '{0}'::regclass and indisunique
    loop
        execute format('drop index %s', each.name);
    end loop;
    for each in
        select column_name, is_identity from information_schema.columns
        where table_schema = 'public' and table_name = '{0}'
    loop
        if each.is_identity = 'YES' then
            execute format('alter table {0} alter %I drop identity', each.column_name);
        end if;
        execute format('alter table {0} alter %I drop not null', each.column_name);
    end loop;
end $$
"""


def tables_with_columns() -> dict[str, dict[str, str]]:
    """Every table of the catalog, with its columns and their types."""
    query = text(
        "select table_name, column_name, data_type from information_schema.columns"
        " join information_schema.tables using (table_schema, table_name)"
        " where table_schema = 'public' and table_type = 'BASE TABLE'"
        " order by table_name, ordinal_position"
    )
    found: dict[str, dict[str, str]] = {}
    with transaction() as session:
        for table, column, kind in session.execute(query):
            found.setdefault(table, {})[column] = kind
    return found


def other_values(column: str, kind: str) -> list[str]:
    """Other values for a column; the first that its type takes is used."""
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
        "text": [f"coalesce({column}, '') || 'x'"],
        "integer": [f"coalesce({column}, 0) + 1"],
        "bigint": [f"coalesce({column}, 0) + 1"],
        "date": [f"coalesce({column}, '2024-01-01') + 1"],
        "timestamp with time zone": [f"coalesce({column}, now()) + interval '1 microsecond'"],
        "boolean": [f"not coalesce({column}, false)"],
        "jsonb": ["""'{"other": "x"}'::jsonb"""],
        "bytea": [f"sha256({column})"],
    }.get(kind) or [
        "'Low'",
        "'Medium'",
        "'external_id'",
        "'user_and_product'",
        "'other'",
        "'open'",
        "'rejected'",
    ]


def findings(session: Session) -> Iterator[str]:
    """All that `make verify-all` says."""
    yield from wrong_overall(session)
    for customer_id in customers_to_verify(session):
        for report_id in reports_to_verify(session, customer_id):
            yield from wrong_with_report(session, customer_id, report_id)
        yield from wrong_with_customer(session, customer_id)


def after(*changes: str, unconstrained: str | None = None) -> str | None:
    """The first thing found after changes, which are undone; "" if nothing is.

    None where a change cannot be made.
    """
    with transaction() as session:
        session.execute(text("set local session_replication_role = replica"))
        try:
            if unconstrained is not None:
                session.execute(text(_WITHOUT_CONSTRAINTS.format(unconstrained)))
            for change in changes:
                if not session.connection().execute(text(change)).rowcount:
                    return None
        except DBAPIError:
            session.rollback()
            return None
        try:
            return next(findings(session), "")
        except DBAPIError as error:
            return f"verification stops: {type(error.orig).__name__}"
        finally:
            session.rollback()


def after_edit(table: str, column: str, kind: str, where: str) -> str | None:
    """What is found after a column of some rows is edited; None if no value was taken."""
    for value in other_values(f'"{column}"', kind):
        found = after(
            f'update {table} set "{column}" = {value} '
            f'where {where} and "{column}" is distinct from {value}',
            unconstrained=table,
        )
        if found is not None:
            return found
    return None


def after_copy(table: str, column: str, kind: str, where: str) -> str | None:
    """What is found after a row is added: a copy of another, but for one column of its key."""
    for value in other_values(f'"{column}"', kind):
        copied = f"jsonb_populate_record({table}, jsonb_build_object('{column}', {value}))"
        found = after(
            f"insert into {table} select ({copied}).* from {table} where {where}",
            unconstrained=table,
        )
        if found is not None:
            return found
    return None


def without_ids(finding: str) -> str:
    """A finding as the docs show it."""
    uuids = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    return re.sub(uuids, "…", finding)
