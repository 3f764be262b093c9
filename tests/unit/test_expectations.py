"""What a test expects stands in the test: read from the code, it would follow every mistake."""

import ast
import re
from collections.abc import Iterator

from tests.support.api import PROJECT

_CODE = ("common", "functions", "services", "scripts")
_EXPECTED = re.compile(r"_?(MAX|MIN|LINES)_\w+|\w+_(SECONDS|BYTES|DAYS|HOURS)|CLOCK_SKEW|RULES")
# These hold a table of the code against one that is written out.
_COMPARED = {("tests/integration/access/test_authentication.py", "RULES")}


def _imported() -> Iterator[tuple[str, str]]:
    for file in sorted((PROJECT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in _CODE:
                for name in node.names:
                    yield str(file.relative_to(PROJECT)), name.name


def test_no_test_imports_the_limit_or_the_table_that_it_checks() -> None:
    imported = {each for each in _imported() if _EXPECTED.fullmatch(each[1])}

    assert imported == _COMPARED
