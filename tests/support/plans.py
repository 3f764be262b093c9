"""How much a statement reads, by what the planner may know of the tables.

Invariant: the planner learns nothing more of a table after `keep_statistics`.
"""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Engine, text

_ROWS_OF_A_LARGE_TABLE = 100_000_000
# The planner multiplies the rows of a page, as they were counted last, by the pages there are now.
_MAKE_LARGE = """
select pg_restore_relation_stats(
    'schemaname', 'public', 'relname', cast(:table as text), 'relpages', 1,
    'reltuples', cast(:rows / greatest(1, pg_relation_size(to_regclass(:table)) / 8192) as real)
)
"""


class Statistics(StrEnum):
    """What the planner knows of the tables. `LARGE`: as if each had 100 million rows."""

    NONE = "without statistics"
    TRUE = "with statistics"
    LARGE = "with statistics of a large database"


def keep_statistics(engine: Engine, statistics: Statistics, tables: Iterable[str]) -> None:
    """Has the planner know this of the tables from now on."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in tables:
            connection.exec_driver_sql(f"alter table {table} set (autovacuum_enabled = off)")
            if statistics is not Statistics.NONE:
                connection.exec_driver_sql(f"vacuum analyze {table}")
            if statistics is Statistics.LARGE:
                large = {"table": table, "rows": _ROWS_OF_A_LARGE_TABLE}
                assert connection.execute(text(_MAKE_LARGE), large).scalar_one()


def rows_read(connection: Connection, statement: str, parameters: Any) -> Counter[str]:
    """How many rows of each table a statement touches, shown or filtered out.

    And how often it descends an index of the table, where this PostgreSQL says so, and reads a part
    of a month of actions by its index.
    """
    explained = text(f"explain (analyze, format json) {statement}")
    return _rows_of(connection.execute(explained, parameters).scalar_one())


def rows_read_as_sent(connection: Connection, statement: str, parameters: Any) -> Counter[str]:
    """As `rows_read`, of a statement as the driver gets it."""
    explained = f"explain (analyze, format json) {statement}"
    return _rows_of(connection.exec_driver_sql(explained, parameters).scalar_one())


def _rows_of(plans: list[dict[str, Any]]) -> Counter[str]:
    (plan,) = plans
    read: Counter[str] = Counter()
    nodes = [plan["Plan"]]
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", [])
        if table := node.get("Relation Name"):
            loops = node["Actual Loops"]
            rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
            read[table] += round(rows * loops)
            read[f"{table}: searches"] += node.get("Index Searches", 0)
            if node.get("Index Name") == "ix_actions_canonical_order":
                read["month"] += round(loops)
    return read
