"""Loads the SQL statements that stand in the packages' `sql` folders.

A file holds one whole statement. `-- include: package/name` at its top puts another whole statement
before it, as a common table expression of that name. `-- params: name type, ...` gives the types of
its `:named` parameters.
"""

import re
from importlib.resources import files

_INCLUDE = re.compile(r"^-- include: ([\w/]+)/(\w+)( (?:not )?materialized)?$", re.MULTILINE)
_PARAMETERS = re.compile(r"^-- params: (.+)$", re.MULTILINE)
_WITH = re.compile(r"^with( recursive)?\s", re.MULTILINE)


def load_statement(package: str, name: str) -> str:
    """The statement of `common/<package>/sql/<name>.sql`, with what it includes."""
    room = files("common." + package.replace("/", "."))
    statement = room.joinpath("sql", f"{name}.sql").read_text().strip()
    included = [
        f"{included_name} as{materialized} (\n{load_statement(included_package, included_name)}\n)"
        for included_package, included_name, materialized in _INCLUDE.findall(statement)
    ]
    if not included:
        return statement
    expressions = ",\n\n".join(included)
    if found := _WITH.search(statement):
        head, rest = statement[: found.start()], statement[found.end() :]
        return f"{head}with{found[1] or ''} {expressions},\n\n{rest}"
    return f"with {expressions}\n\n{statement}"


def parameter_types(statement: str) -> dict[str, str]:
    """The type of each parameter of a loaded statement, in the order of their declaration."""
    declared = ", ".join(_PARAMETERS.findall(statement)).split(", ")
    return dict(declaration.split(" ", maxsplit=1) for declaration in declared if declaration)
