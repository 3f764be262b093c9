"""What docs/verification.md shows of the tampering tests: written by `make test-tampering WRITE=1`.

Without WRITE, each test compares its row with the page.
"""

import json
import os
from collections.abc import Iterator

from scripts.doc_sections import replace_section
from tests.support.api import PROJECT

PAGE = PROJECT / "docs" / "verification.md"
ROWS = PROJECT / ".data" / "tampering"
_HEADINGS = {
    "cheats": "| who | does | what is found |\n|---|---|---|",
    "tables": "| table | columns | of them, may change |\n|---|---:|---|",
}


def compare_or_write(section: str, order: str, *cells: str) -> None:
    """`order` places the row in its table."""
    row = f"| {' | '.join(cells)} |"
    if os.environ.get("WRITE"):
        folder = ROWS / section
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{order}.json").write_text(json.dumps(row), encoding="utf-8")
    else:
        assert row in PAGE.read_text(encoding="utf-8").splitlines(), row


def main() -> None:
    for section in _HEADINGS:
        page = replace_section(PAGE, section, "\n".join(_lines(section)))
        PAGE.write_text(page, encoding="utf-8")


def _lines(section: str) -> Iterator[str]:
    yield _HEADINGS[section]
    for file in sorted((ROWS / section).iterdir()):
        yield json.loads(file.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
