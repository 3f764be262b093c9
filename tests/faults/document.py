"""The table of docs/reliability.md: written by `make test-faults WRITE=1`, compared otherwise."""

import json
from collections.abc import Iterator
from typing import Any

from scripts.doc_sections import replace_section
from tests.support.api import PROJECT

COUNTS = PROJECT / ".data" / "faults.json"
PAGE = PROJECT / "docs" / "reliability.md"
_HEAD = (
    "| what happened | times | requests | no answer | 503 | leads queued "
    "| actions acknowledged | stored | lost | doubled |"
)
_COUNTED = (
    *("times", "requests", "no_answer", "answered_503", "queued", "acknowledged_actions"),
    *("stored_actions", "lost", "doubled"),
)


def main() -> None:
    """Writes what the last run counted. Faults that it left out keep their row."""
    found = {row["what"]: row for row in json.loads(COUNTS.read_text(encoding="utf-8"))}
    rows = {row["what"]: row for row in page_rows()} | found
    page = replace_section(PAGE, "faults", "\n".join(_lines(list(rows.values()))))
    PAGE.write_text(page, encoding="utf-8")


def page_rows() -> list[dict[str, Any]]:
    """The rows of the page, as the suite counts them."""
    page = PAGE.read_text(encoding="utf-8")
    table = page.partition("<!-- faults: made by")[2].partition("<!-- end of faults -->")[0]
    rows = []
    for line in table.splitlines():
        if line.startswith("| ") and line != _HEAD:
            what, *counts = [cell.strip() for cell in line.strip("|").split("|")]
            numbers = [int(count.replace(",", "")) for count in counts]
            rows.append({"what": what} | dict(zip(_COUNTED, numbers, strict=True)))
    return rows


def differences(
    found: list[dict[str, Any]], page: list[dict[str, Any]], is_whole: bool = True
) -> list[str]:
    """What the page says otherwise than a run found. How many requests fit into one varies."""
    by_name = {row["what"]: row for row in page}
    said = []
    for row in found:
        what = row["what"]
        if what not in by_name:
            said.append(f"the page has no row for: {what}")
            continue
        for name in ("lost", "doubled"):
            if row[name] != by_name[what][name]:
                said.append(f"{what}: {name} is {row[name]}, the page says {by_name[what][name]}")
        for name in ("no_answer", "queued"):
            if (row[name] > 0) != (by_name[what][name] > 0):
                said.append(f"{what}: {name} is {row[name]}, the page says {by_name[what][name]}")
        if row["acknowledged_actions"] != row["stored_actions"]:
            said.append(f"{what}: not every acknowledged action is stored")
    missing = by_name.keys() - {row["what"] for row in found} if is_whole else set()
    said += [f"no test of this run did this: {what}" for what in sorted(missing)]
    return said


def _lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    yield _HEAD
    yield "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    for row in rows:
        yield f"| {row['what']} | {' | '.join(f'{row[name]:,}' for name in _COUNTED)} |"


if __name__ == "__main__":
    main()
