"""docs/reliability.md: its table is written by the fault suite and has every fault."""

import re

from tests.faults.document import PAGE
from tests.support.api import PROJECT

SUITE = (PROJECT / "tests" / "faults" / "test_faults.py").read_text(encoding="utf-8")


def rows() -> list[list[str]]:
    page = PAGE.read_text(encoding="utf-8")
    table = page.partition("<!-- faults: made by `make test-faults WRITE=1` -->")[2].partition(
        "<!-- end of faults -->"
    )[0]
    lines = [line for line in table.splitlines() if line[:2] == "| "]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def test_table_lists_every_fault() -> None:
    faults = [row[0] for row in rows()]

    for fault in re.findall(r'\.settle\(\s*f?"([^"{]+)', SUITE):
        assert any(what.startswith(fault) for what in faults), fault


def test_nothing_acknowledged_was_lost_or_doubled() -> None:
    for what, *counts in rows():
        acknowledged, stored, lost, doubled = counts[-4:]
        assert acknowledged == stored != "0", what
        assert (lost, doubled) == ("0", "0"), what
