"""Loads the SQL statements that stand in the packages' `sql` folders.

A file holds one whole statement. `-- include: package/name` at its top puts another whole statement
before it, as a common table expression of that name.
"""

import re
from importlib.resources import files

_INCLUDE = re.compile(r"^-- include: (\w+)/(\w+)$", re.MULTILINE)
_WITH = re.compile(r"^with( recursive)?\s", re.MULTILINE)


def load_statement(package: str, name: str) -> str:
    """The statement of `common/<package>/sql/<name>.sql`, with what it includes."""
    statement = files(f"common.{package}").joinpath("sql", f"{name}.sql").read_text().strip()
    included = [
        f"{each} as (\n{load_statement(package_of, each)}\n)"
        for package_of, each in _INCLUDE.findall(statement)
    ]
    if not included:
        return statement
    expressions = ",\n\n".join(included)
    if found := _WITH.search(statement):
        head, rest = statement[: found.start()], statement[found.end() :]
        return f"{head}with{found[1] or ''} {expressions},\n\n{rest}"
    return f"with {expressions}\n\n{statement}"
