"""SECURITY.md and docs/access.md name tests, and every one of them is there."""

import re

from tests.support.api import PROJECT

NAMED = re.compile(r"`(test_\w+\.py|\w+\.tftest\.hcl)::(\w+)`")
DOCUMENT = (PROJECT / "SECURITY.md").read_text()


def test_every_test_that_the_threat_model_names_is_there() -> None:
    files = {
        file.name: file.read_text()
        for folder in ("tests", "terraform/modules")
        for pattern in ("test_*.py", "*.tftest.hcl")
        for file in (PROJECT / folder).rglob(pattern)
    }

    missing = [
        f"{file}::{name}"
        for file, name in NAMED.findall(DOCUMENT)
        if not re.search(rf'^(def {name}\(|run "{name}" )', files.get(file, ""), re.MULTILINE)
    ]
    assert missing == []


def test_every_test_that_the_page_of_access_names_is_there() -> None:
    named = re.findall(r"`(test_\w+)`", (PROJECT / "docs" / "access.md").read_text())
    written = "".join(file.read_text() for file in (PROJECT / "tests").rglob("test_*.py"))

    assert len(named) > 30
    assert [name for name in named if f"\ndef {name}(" not in written] == []


def test_every_threat_has_a_test() -> None:
    rows = [
        row
        for row in re.findall(r"^\| (?!asset|could|---).*\|$", DOCUMENT, re.MULTILINE)
        if row.count("|") == 4
    ]

    assert len(rows) >= 30
    assert [row for row in rows if not NAMED.search(row)] == []
