"""The statements that the product sends, and which tables they use without naming the customer.

A statement names the customer of a table where it compares the table's `customer_id` with a
parameter, or with another `customer_id` that it names. PostgreSQL's own parser reads it.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from pglast import ast, parse_sql
from sqlalchemy import Engine, event

from common.database.sql_loader import load_statement
from common.final_reports.models import BillingReportLine
from common.tables import Base
from tests.support.api import PROJECT

STATEMENTS = [
    (path.parent.parent.relative_to(PROJECT / "common").as_posix(), path.stem)
    for path in sorted((PROJECT / "common").glob("**/sql/*.sql"))
]
TABLES_OF_CUSTOMERS = {
    table.name
    for table in Base.metadata.tables.values()
    if "customer_id" in table.primary_key.columns
} | {BillingReportLine.__tablename__}
_LEVELS = (ast.SelectStmt, ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt)


@contextmanager
def sent_statements(ignored: Iterable[str] = ()) -> Iterator[list[str]]:
    """The statements that this process sends within the block, but those with an `ignored` text."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_others: Any) -> None:
        if not any(part in statement.lower() for part in ignored):
            sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def code_of(package: str, name: str) -> str:
    """A statement of `common/*/sql` with what it includes, and without comments."""
    return re.sub(r"--.*$", "", load_statement(package, name), flags=re.MULTILINE)


def unnamed_tables(statement: str) -> list[str]:
    """The tables of customers' data that a statement uses without naming the customer."""
    numbers = count(1)
    numbered = re.sub(r"%\(\w+\)s|%s|(?<!:):[a-z]\w*", lambda _: f"${next(numbers)}", statement)
    unnamed: list[str] = []
    for parsed in parse_sql(numbered.replace("%%", "%")):
        ctes = {node.ctename for node in _descendants(parsed) if _is(node, ast.CommonTableExpr)}
        for node in _descendants(parsed):
            if _is(node, *_LEVELS):
                unnamed += _unnamed_in(node, ctes)
    return unnamed


def _unnamed_in(level: Any, ctes: set[str]) -> Iterator[str]:
    """The same of one select, insert, update or delete, without those inside it."""
    own = list(_own_nodes(level))
    tables = {
        node.alias.aliasname if node.alias else node.relname: node.relname
        for node in own
        if _is(node, ast.RangeVar)
        and node.relname in TABLES_OF_CUSTOMERS
        and node.relname not in ctes
    }
    if _is(level, ast.InsertStmt):
        tables = {}
        if level.relation.relname in TABLES_OF_CUSTOMERS and not _inserts_customer(level):
            yield f"{level.relation.relname} (insert)"
    named: set[str] = set()
    equalities = [equal for node in own for equal in _equalities(node, set(tables))]
    while True:
        grown = {
            alias
            for one, other in equalities
            for alias, reason in ((one, other), (other, one))
            if alias is not None and (reason is None or reason in named)
        }
        if grown <= named:
            break
        named |= grown
    yield from (table for alias, table in tables.items() if alias not in named)


def _inserts_customer(level: Any) -> bool:
    columns = {target.name for target in level.cols or ()}
    conflict = level.onConflictClause
    infer = conflict.infer if conflict else None
    on_conflict = {element.name for element in infer.indexElems} if infer else {"customer_id"}
    return "customer_id" in columns and "customer_id" in on_conflict


def _equalities(node: Any, tables: set[str]) -> Iterator[tuple[str | None, str | None]]:
    """Aliases of tables whose customer ids a condition makes equal; None: to anything else."""
    if _is(node, ast.JoinExpr):
        if any(name.sval == "customer_id" for name in node.usingClause or ()):
            left, right = (set(_aliases(side)) for side in (node.larg, node.rarg))
            yield from (
                (one if one in tables else None, other if other in tables else None)
                for one in left
                for other in right
            )
    elif _is(node, ast.A_Expr) and node.name[-1].sval == "=":
        pairs: Iterable[tuple[Any, Any]] = [(node.lexpr, node.rexpr)]
        if _is(node.lexpr, ast.RowExpr):
            others = node.rexpr.args if _is(node.rexpr, ast.RowExpr) else ()
            pairs = zip(node.lexpr.args, others or (None,) * len(node.lexpr.args), strict=True)
        for one, other in pairs:
            for alias in _customer_of(one, tables) | _customer_of(other, tables):
                rest = (_customer_of(one, tables) | _customer_of(other, tables)) - {alias}
                yield from ((alias, customer) for customer in rest)
                if not rest:
                    yield alias, None
    elif _is(node, ast.SubLink) and node.testexpr is not None:
        tested = node.testexpr.args if _is(node.testexpr, ast.RowExpr) else [node.testexpr]
        yield from ((alias, None) for operand in tested for alias in _customer_of(operand, tables))


def _customer_of(node: Any, tables: set[str]) -> set[str]:
    """The tables whose customer id an expression is; without a qualifier, any of the level's."""
    if not _is(node, ast.ColumnRef) or getattr(node.fields[-1], "sval", "") != "customer_id":
        return set()
    if len(node.fields) == 1:
        return set(tables)
    return {node.fields[0].sval} & tables


def _is(node: Any, *kinds: type) -> bool:
    """As isinstance, but the node's members stay untyped: each may be missing by its type."""
    return isinstance(node, kinds)


def _aliases(node: Any) -> Iterator[str]:
    if _is(node, ast.JoinExpr):
        yield from _aliases(node.larg)
        yield from _aliases(node.rarg)
    elif _is(node, ast.RangeVar):
        yield node.alias.aliasname if node.alias else node.relname
    elif getattr(node, "alias", None) is not None:
        yield node.alias.aliasname


def _own_nodes(level: Any) -> Iterator[Any]:
    for child in _children(level):
        if not _is(child, *_LEVELS):
            yield child
            yield from _own_nodes(child)


def _descendants(node: Any) -> Iterator[Any]:
    if _is(node, ast.Node):
        yield node
    for child in _children(node):
        yield from _descendants(child)


def _children(node: Any) -> Iterator[Any]:
    values = node if isinstance(node, tuple) else [getattr(node, slot) for slot in node]
    for value in values:
        if isinstance(value, ast.Node):
            yield value
        elif isinstance(value, tuple):
            yield from _children(value)
