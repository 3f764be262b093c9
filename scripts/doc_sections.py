"""The generated parts of the docs: each stands between two comments that name it."""

import re
from pathlib import Path

from scripts.cli import CommandError


def replace_section(page: Path, name: str, text: str) -> str:
    """The page with `text` as its section `name`. Raises CommandError if it lacks the markers."""
    section = re.compile(rf"(<!-- {name}: made by .*? -->\n).*(<!-- end of {name} -->)", re.DOTALL)
    content, found = section.subn(
        lambda markers: f"{markers[1]}{text}\n{markers[2]}", page.read_text(encoding="utf-8")
    )
    if not found:
        raise CommandError(f"{page.name} lacks the markers of its section {name}.")
    return content
