"""Generated sections of the docs."""

from pathlib import Path

import pytest

from scripts.cli import CommandError
from scripts.doc_sections import replace_section

PAGE = "before\n<!-- load: made by `make x` -->\nold\n<!-- end of load -->\nafter\n"


def test_only_the_text_between_the_markers_changes(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)

    assert replace_section(page, "load", r"\1 new") == PAGE.replace("old", r"\1 new")


def test_page_without_the_end_marker_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE.replace("<!-- end of load -->", ""))

    with pytest.raises(CommandError, match=r"page\.md lacks the markers of its section load"):
        replace_section(page, "load", "new")
