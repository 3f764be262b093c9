"""docs/reliability.md: its table is written by the fault suite, which compares it in each run."""

import re

from tests.faults.document import differences, page_rows
from tests.support.api import PROJECT

SUITE = (PROJECT / "tests" / "faults" / "test_faults.py").read_text(encoding="utf-8")


def test_table_has_every_fault_and_no_other() -> None:
    rows = [row["what"] for row in page_rows()]
    faults = re.findall(r'\.settle\(\s*f?"([^"{]+)', SUITE)

    assert len(faults) > 10
    for fault in faults:
        assert any(what.startswith(fault) for what in rows), fault
    for what in rows:
        assert any(what.startswith(fault) for fault in faults), what


def test_nothing_acknowledged_was_lost_or_doubled() -> None:
    for row in page_rows():
        assert row["acknowledged_actions"] == row["stored_actions"] > 0, row
        assert (row["lost"], row["doubled"]) == (0, 0), row


def test_page_that_says_otherwise_than_a_run_is_told_by_name() -> None:
    page = page_rows()
    first, second = (row["what"] for row in page[:2])
    found = [page[0] | {"lost": 1, "requests": 1}, *page[2:], page[1] | {"what": "a flood"}]

    assert differences(page, page) == []
    assert differences(found, page) == [
        f"{first}: lost is 1, the page says 0",
        "the page has no row for: a flood",
        f"no test of this run did this: {second}",
    ]
