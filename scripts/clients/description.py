"""The API's description, simplified to what a client is generated from.

Invariant: what is left says what is sent and answered. Limits stay the server's alone, so that a
client does not repeat one that has changed.
"""

import copy
from collections.abc import Iterator
from typing import Any

from common.settings import settings

Schema = dict[str, Any]

_MONEY = r"^-?[0-9]+\.[0-9]{2}$"
_LIMITS = (
    "title",
    "pattern",
    "examples",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minItems",
    "maxItems",
    "maxProperties",
    "propertyNames",
)
_REFERENCE = "#/components/schemas/"


def described() -> Schema:
    """The description as the service serves it, without the version, which would go stale."""
    settings()  # says what is missing before the app is imported
    from services.reports.app import app  # noqa: PLC0415

    description = copy.deepcopy(app.openapi())
    description["info"]["version"] = ""
    return description


def simplified(description: Schema) -> Schema:
    """A copy for models: amounts are decimals, texts of few values have a name, limits are gone."""
    description = copy.deepcopy(description)
    schemas = description["components"]["schemas"]
    for name, schema in list(schemas.items()):
        for member, property_ in schema.get("properties", {}).items():
            _name_values(schemas, f"{name}{_capitalized(member)}", property_)
    _simplify(schemas)
    for name in set(schemas) - sent(description):
        schemas[name].pop("additionalProperties", None)  # the server may say more, later
    return description


def sent(description: Schema) -> set[str]:
    """The schemas that a request holds."""
    schemas = description["components"]["schemas"]
    found: set[str] = set()
    waiting = {
        name
        for _, _, operation in operations_of(description)
        for name in _references(operation.get("requestBody", {}))
    }
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= set(_references(schemas[name])) - found
    return found


def operations_of(description: Schema) -> Iterator[tuple[str, str, Schema]]:
    """Method, path and operation of what a client calls; not the first addresses of something."""
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            if not operation.get("deprecated"):
                yield method.upper(), path, operation


def _name_values(schemas: Schema, name: str, property_: Schema) -> None:
    for schema in (property_, *property_.get("anyOf", ())):
        if "enum" in schema and schema.get("type") == "string":
            values = schema.pop("enum")
            schema.pop("type")
            schemas[name] = {"type": "string", "enum": values}
            schema["$ref"] = f"{_REFERENCE}{name}"


def _simplify(node: Any) -> None:
    if isinstance(node, list):
        for item in node:
            _simplify(item)
    elif isinstance(node, dict):
        if node.get("pattern") == _MONEY:
            node["format"] = "decimal"
        for name in _LIMITS:
            if not isinstance(node.get(name), dict) or name == "propertyNames":
                node.pop(name, None)  # a dict is a member with that name
        if "patternProperties" in node:
            node["additionalProperties"] = {"type": "string"}
            del node["patternProperties"]
        for item in node.values():
            _simplify(item)


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _references(item)
    elif isinstance(node, dict):
        if isinstance(reference := node.get("$ref"), str):
            yield reference.removeprefix(_REFERENCE)
        for item in node.values():
            yield from _references(item)


def _capitalized(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))
