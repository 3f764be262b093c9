"""Generate docs/database.dbml (for dbdiagram.io) from a new database; part of `make samples`."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    Enum,
    MetaData,
    Table,
    UniqueConstraint,
)
from sqlalchemy.dialects import postgresql

from common.tables import Base
from scripts.cli import CommandError, handle_exit
from scripts.migrate import migrated_database

_TARGET = Path(__file__).resolve().parent.parent / "docs" / "database.dbml"
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


def diagram(connection: Connection) -> str:
    """The schema of a database in DBML, with what the models say of each table."""
    metadata = MetaData()
    metadata.reflect(connection, only=list(Base.metadata.tables))
    tables = metadata.sorted_tables
    parts = [
        "// Generated from a migrated database by `make samples`; paste it into dbdiagram.io.",
        *(_enum(enum) for enum in _enums(tables)),
        *(_table(table) for table in tables),
        "\n".join(reference for table in tables for reference in _references(table)),
    ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.schema_diagram", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only check that the file is current")
    args = parser.parse_args()
    with handle_exit():
        with migrated_database() as connection:
            current = diagram(connection)
        if not args.check:
            _TARGET.write_text(current, encoding="utf-8")
        elif _TARGET.read_text(encoding="utf-8") != current:
            raise CommandError("docs/database.dbml is out of date: run `make samples`.")


def _enums(tables: list[Table]) -> list[Enum]:
    enums = {
        column.type.name: column.type
        for table in tables
        for column in table.columns
        if isinstance(column.type, Enum)
    }
    return [enums[name] for name in sorted(enums, key=str)]


def _enum(enum: Enum) -> str:
    return "\n".join([f"Enum {enum.name} {{", *(f'  "{value}"' for value in enum.enums), "}"])


def _table(table: Table) -> str:
    lines = [f"Table {table.name} {{", *(f"  {_column(column)}" for column in table.columns)]
    indexes = list(_indexes(table))
    if indexes:
        lines += ["", "  indexes {", *(f"    {index}" for index in indexes), "  }"]
    return "\n".join([*lines, "", f"  Note: {_quoted(_note(table))}", "}"])


def _column(column: Column[object]) -> str:
    settings = []
    if column.primary_key and len(column.table.primary_key) == 1:
        settings.append("pk")
    if any(list(unique.columns) == [column] for unique in _uniques(column.table)):
        settings.append("unique")
    if not column.nullable and not column.primary_key:
        settings.append("not null")
    if column.identity is not None:
        settings.append("increment")
    elif column.server_default is not None:
        settings.append(f"default: `{getattr(column.server_default, 'arg', '')}`")
    if column.comment:
        settings.append(f"note: {_quoted(column.comment)}")
    type_name = column.type.compile(dialect=_DIALECT).lower().removesuffix(' collate "c"')
    quoted = f'"{type_name}"' if " " in type_name else type_name
    return f"{column.name} {quoted}" + (f" [{', '.join(settings)}]" if settings else "")


def _indexes(table: Table) -> Iterator[str]:
    if len(table.primary_key) > 1:
        yield f"{_names(table.primary_key.columns)} [pk]"
    for constraint in sorted(_uniques(table), key=lambda unique: str(unique.name)):
        if len(constraint.columns) > 1:
            yield f"{_names(constraint.columns)} [unique]"
    for index in sorted(table.indexes, key=lambda index: str(index.name)):
        yield _names(index.columns)


def _uniques(table: Table) -> list[UniqueConstraint]:
    return [item for item in table.constraints if isinstance(item, UniqueConstraint)]


def _names(columns: object) -> str:
    return "(" + ", ".join(column.name for column in columns) + ")"  # type: ignore[attr-defined]


def _note(table: Table) -> str:
    described = Base.metadata.tables[table.name]
    model = next(
        mapper.class_ for mapper in Base.registry.mappers if mapper.local_table is described
    )
    checks = sorted(
        str(constraint.sqltext)
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint)
    )
    text = " ".join((model.__doc__ or "").split())
    if table.comment:
        text += f" {table.comment[0].upper()}{table.comment[1:]}."
    return f"{text} Checks: {'; '.join(checks)}." if checks else text


def _references(table: Table) -> Iterator[str]:
    for key in sorted(table.foreign_key_constraints, key=lambda key: list(key.column_keys)):
        rule = f" [delete: {key.ondelete.lower()}]" if key.ondelete else ""
        target = _columns([element.column.name for element in key.elements])
        columns = _columns(key.column_keys)
        yield f"Ref: {table.name}.{columns} > {key.referred_table.name}.{target}{rule}"
    for column in Base.metadata.tables[table.name].columns:
        if "refers_to" in column.info:
            yield f"Ref: {table.name}.{column.name} > {column.info['refers_to']} // no foreign key"


def _columns(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"({', '.join(names)})"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


if __name__ == "__main__":
    main()
