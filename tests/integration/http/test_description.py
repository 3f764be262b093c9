"""The OpenAPI description: nothing in it is left open, and a generated client understands it."""

import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from common.problems import PROBLEM_JSON
from services.reports.api.words import EXAMPLES
from services.reports.app import app
from tests.support.routes import ROLES_OF_ROUTES

DESCRIPTION: dict[str, Any] = app.openapi()
SCHEMAS: dict[str, Any] = DESCRIPTION["components"]["schemas"]
PATHS: dict[str, Any] = DESCRIPTION["paths"]
OPERATIONS = [
    (f"{method.upper()} {path}", operation)
    for path, methods in PATHS.items()
    for method, operation in methods.items()
]


def test_operations_are_named_by_short_verbs() -> None:
    names = [operation["operationId"] for _, operation in OPERATIONS]

    assert len(names) == len(set(names))
    assert {"listReports", "getReport", "closePeriod", "postLeads", "getCustomer"} <= set(names)
    assert [name for name in names if not re.fullmatch("[a-z]+([A-Z][a-z]*)*", name)] == []


@pytest.mark.parametrize(("route", "operation"), OPERATIONS, ids=[name for name, _ in OPERATIONS])
def test_operation_says_what_it_does_takes_and_answers(
    route: str, operation: dict[str, Any]
) -> None:
    tags = {tag["name"] for tag in DESCRIPTION["tags"] if tag["description"]}
    undescribed = [
        parameter["name"]
        for parameter in operation.get("parameters", [])
        if not parameter.get("description")
    ]

    assert operation["summary"]
    assert operation["description"]
    assert set(operation["tags"]) <= tags
    assert len(operation["tags"]) == 1
    assert all(
        content["schema"]
        for answer in operation["responses"].values()
        for content in answer.get("content", {}).values()
    )
    assert undescribed == []
    assert operation["responses"]["default"]["content"] == {
        PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}
    }


def test_operation_names_the_key_that_it_takes() -> None:
    public = {route for route, operation in OPERATIONS if operation["security"] == []}
    method_and_path = {
        f"{method} {path}" for (method, path), roles in ROLES_OF_ROUTES.items() if not roles
    }

    assert set(DESCRIPTION["components"]["securitySchemes"]) == {"key", "session"}
    assert public == method_and_path & {route for route, _ in OPERATIONS}


def test_every_parameter_of_free_text_has_an_example() -> None:
    without = {
        parameter["name"]
        for methods in DESCRIPTION["paths"].values()
        for operation in methods.values()
        for parameter in operation.get("parameters", [])
        if any(
            kind.get("type") == "string" and not {"enum", "format"} & kind.keys()
            for kind in parameter["schema"].get("anyOf", [parameter["schema"]])
        )
        and "example" not in parameter
    }

    assert without == {"cursor"}


def test_every_member_is_described() -> None:
    open_members = [
        f"{name}.{member}"
        for name, schema in SCHEMAS.items()
        for member, property_ in schema.get("properties", {}).items()
        if not property_.get("description")
    ]

    assert open_members == []
    assert [name for name, schema in SCHEMAS.items() if not schema.get("description")] == []


def _bodies() -> Iterator[tuple[str, str]]:
    for route, operation in OPERATIONS:
        content = operation.get("requestBody", {}).get("content", {})
        schema = str(content.get("application/json", {}).get("schema", ""))
        for name in re.findall("#/components/schemas/([A-Za-z]+)", schema):
            yield route, name


def test_every_body_has_an_example() -> None:
    without = {name for _, name in _bodies() if not SCHEMAS[name].get("examples")}

    assert without == set()


def test_every_example_is_what_its_schema_takes() -> None:
    for name, example in EXAMPLES.items():
        reference = {
            "$ref": f"#/components/schemas/{name}",
            "components": DESCRIPTION["components"],
        }

        jsonschema.validate(example, reference)
