"""The ways a line is broken, and which lines of a file can be.

Invariant: the same file gives the same mutants in the same order.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Mutant(NamedTuple):
    """One line of one file, and what stands there instead."""

    kind: str
    file: str
    number: int
    before: str
    after: str


_ANY = (
    (r"(?<![<>=!])<=(?!=)", "<"),
    (r"(?<![<>=!])>=(?!=)", ">"),
    (r"(?<![<>=!-])<(?![<>=])", "<="),
    (r"(?<![<>=!-])>(?![<>=])", ">="),
    (r" \+ (?=\w)", " - "),
    (r" - (?=\w)", " + "),
    (r"(?<=[ (])1(?=[ ),]|$)", "2"),
)
_OF = {
    ".sql": (
        *_ANY,
        (r" and (?!current row)", " or "),
        (r"\bis not null\b", "is null"),
        (r"(?<!not )\bis null\b", "is not null"),
        (r"\bleast\(", "greatest("),
        (r"\bgreatest\(", "least("),
        (r" desc\b", ""),
        (r"\bcoalesce\((\w+(?:\.\w+)?), ([^()]+)\)", r"\1"),
        (r"\bnot exists\b", "exists"),
        (r"(?<=\w) = (?=\w)", " <> "),
        (r"^(\s+)and [^()]*$", r"\1and true"),
    ),
    ".py": (
        *_ANY,
        (r" == ", " != "),
        (r" != ", " == "),
        (r" and ", " or "),
        (r" or ", " and "),
        (r"\bif not ", "if "),
        (r"\bis not None\b", "is None"),
        (r"\bis None\b", "is not None"),
        (r"\breturn True\b", "return False"),
        (r"\breturn False\b", "return True"),
        (r"\bREADERS\b", "ADMINS"),
        (r": ADMINS,", ": READERS,"),
        (r"\.lower\(\)", ""),
        (r"\bupdate \(lead_id\)", "update"),
    ),
    ".tf": (
        (r"\btrue\b", "false"),
        (r"\bfalse\b", "true"),
        (r'"Deny"', '"Allow"'),
        (r"\bvar\.\w+", "null"),
        (r"= (\d+)$", r"= 1\1"),
        (r"\.arn\b", ".id"),
    ),
}


def mutants_of(kind: str, root: Path, file: str) -> Iterator[Mutant]:
    """Every mutant of a file: each way of breaking a line, where it changes something."""
    text = (root / file).read_text(encoding="utf-8")
    skipped = _without_code(text, Path(file).suffix)
    for number, line in enumerate(text.splitlines(), start=1):
        if number in skipped:
            continue
        for pattern, instead in _OF[Path(file).suffix]:
            for match in re.finditer(pattern, line):
                after = line[: match.start()] + match.expand(instead) + line[match.end() :]
                if after.strip() != line.strip():
                    yield Mutant(kind, file, number, line, after)


def _without_code(text: str, suffix: str) -> set[int]:
    """The numbers of lines that hold comments, docstrings, imports or types."""
    comment = "--" if suffix == ".sql" else "#"
    lines = text.splitlines()
    found = {
        number for number, line in enumerate(lines, start=1) if line.strip().startswith(comment)
    }
    if suffix == ".py":
        for node in ast.walk(ast.parse(text)):
            is_words = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            is_skipped = is_words or isinstance(node, ast.Import | ast.ImportFrom | ast.Raise)
            if is_skipped and isinstance(node, ast.stmt):
                found |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return found
