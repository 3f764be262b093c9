"""Writes a run's counts into docs/reliability.md: `make test-faults WRITE=1`."""

import json
from collections.abc import Iterator
from typing import Any

from scripts.doc_sections import replace_section
from tests.support.api import PROJECT

COUNTS = PROJECT / ".data" / "faults.json"
PAGE = PROJECT / "docs" / "reliability.md"


def main() -> None:
    rows = json.loads(COUNTS.read_text(encoding="utf-8"))
    page = replace_section(PAGE, "faults", "\n".join(_lines(rows)))
    PAGE.write_text(page, encoding="utf-8")


def _lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    yield (
        "| what happened | times | requests | no answer | 503 | leads queued "
        "| actions acknowledged | stored | lost | doubled |"
    )
    yield "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    counted = (
        *("times", "requests", "no_answer", "answered_503", "queued", "acknowledged_actions"),
        *("stored_actions", "lost", "doubled"),
    )
    for row in rows:
        yield f"| {row['what']} | {' | '.join(f'{row[name]:,}' for name in counted)} |"


if __name__ == "__main__":
    main()
