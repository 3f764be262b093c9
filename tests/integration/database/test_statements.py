"""The SQL statements of all packages: each is whole, and PostgreSQL can plan it."""

import re

import pytest
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from common.database.prepared import PreparedStatement
from common.database.sql_loader import load_statement, parameter_types
from tests.support.api import PROJECT

STATEMENTS = [
    (path.parent.parent.name, path.stem)
    for path in sorted((PROJECT / "common").glob("*/sql/*.sql"))
]
_COMMENT = re.compile(r"--.*$", re.MULTILINE)


@pytest.mark.parametrize(("package", "name"), STATEMENTS)
def test_statement_has_no_hole_and_declares_its_parameters(package: str, name: str) -> None:
    statement = load_statement(package, name)
    code = _COMMENT.sub("", statement)

    assert not re.search(r"\{\w+\}", code)
    assert set(re.findall(r"(?<!:):([a-z_]+)", code)) == set(parameter_types(statement))


@pytest.mark.parametrize(("package", "name"), STATEMENTS)
def test_statement_can_be_planned(connection: Connection, package: str, name: str) -> None:
    PreparedStatement(f"{package}_{name}", load_statement(package, name)).prepare(
        Session(connection)
    )
