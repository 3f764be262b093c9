"""The OpenAPI description of the whole API, the function's route included."""

import re
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic.json_schema import models_json_schema

from common.idempotency.claims import MAX_KEY_LENGTH
from common.json_reader import MAX_BODY_BYTES
from common.leads.parsing import MAX_ERRORS, MAX_ERRORS_PER_LEAD, MAX_LEADS
from common.leads.schemas import MAX_ACTIONS, Lead
from common.leads.validation_errors import MAX_NAME_LENGTH
from common.problems import PROBLEM_JSON
from services.reports.api.schemas.leads import IngestionSummary
from services.reports.api.schemas.problems import Problem
from services.reports.api.words import (
    EXAMPLES,
    MEMBERS,
    PARAMETER_EXAMPLES,
    PARAMETERS,
    TAGS,
)
from services.reports.http.authorization import ANYBODY, RULES
from services.reports.http.idempotency import HEADER
from services.reports.http.sessions import COOKIE

_SCHEMES = {
    "key": {"type": "http", "scheme": "bearer", "description": "An API key: `lbk_…`."},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "What the console signs in with.",
    },
}
_PUBLIC = {f"{method} {path}" for (method, path), rule in RULES.items() if rule is ANYBODY}
_HEADERS = {
    "Retry-After": {
        "description": "After how many seconds to try again; with 429 and 503.",
        "schema": {"type": "integer"},
    },
    "X-RateLimit-Limit": {
        "description": "The units that the key's budget holds (docs/api.md, Limits); on every "
        "answer to a key that has one.",
        "schema": {"type": "integer"},
    },
    "X-RateLimit-Remaining": {
        "description": "The units that are left of it.",
        "schema": {"type": "integer"},
    },
    "X-RateLimit-Reset": {
        "description": "After how many seconds it is full again.",
        "schema": {"type": "integer"},
    },
}
_IDEMPOTENCY_KEY = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "Any text, new for each request. For 24 hours, the same request with the same "
    "key is not carried out again, and gets the first answer (docs/api.md).",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY_LENGTH},
    "example": "5f0c9b7e-0e0f-4b7e-9a39-6d1f6c1c2f10",
}
# What a route does, where its function is called otherwise.
_NAMES = {
    "live": "getLiveness",
    "ready": "getReadiness",
    "verify": "verifyReport",
    "close": "closePeriod",
    "erase": "eraseUser",
    "post_dispute": "openDispute",
    "post_rate_card": "addRateCard",
    "post_import": "importFile",
    "put_file": "uploadFile",
    "post_export": "orderExport",
    "get_exports": "listExports",
    "show_refused_rows": "getRefusedRows",
}
_BINARY = {"type": "string", "format": "binary"}
_REFERENCE = "#/components/schemas/{model}"


def describe(app: FastAPI) -> dict[str, Any]:
    """The description of `app`'s routes with POST /leads beside them, made once."""
    if app.openapi_schema is None:
        description = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        schemas, definitions = models_json_schema(
            [(Lead, "validation"), (IngestionSummary, "validation"), (Problem, "validation")],
            ref_template=_REFERENCE,
        )
        description["components"]["schemas"] |= definitions["$defs"]
        lead, answer, problem = (
            schemas[model, "validation"] for model in (Lead, IngestionSummary, Problem)
        )
        description["paths"]["/leads"]["post"] = _post_leads(lead, answer, problem)
        description["tags"] = [{"name": tag, "description": text} for tag, text in TAGS.items()]
        description["components"]["securitySchemes"] = _SCHEMES
        for path, methods in description["paths"].items():
            for method, operation in methods.items():
                _complete(method.upper(), path, operation, problem)
        for name, schema in description["components"]["schemas"].items():
            _explain(name, schema)
        app.openapi_schema = description
    return app.openapi_schema


def name_of(route: APIRoute) -> str:
    """The operation id of a route, before it is written as others write it."""
    return route.name


def _complete(method: str, path: str, operation: dict[str, Any], problem: Any) -> None:
    words = operation["operationId"].split("_")
    name = _NAMES.get(operation["operationId"]) or words[0].replace("show", "get") + "".join(
        word.capitalize() for word in words[1:]
    )
    operation["operationId"] = name
    operation["summary"] = re.sub("(?<!^)([A-Z])", lambda found: f" {found[1].lower()}", name)
    operation["summary"] = operation["summary"].capitalize()
    if f"{method} {path}" in _PUBLIC:
        operation["security"] = []
    else:
        operation["security"] = [{"key": []}, {"session": []}]
    for parameter in operation.get("parameters", []):
        parameter.setdefault("description", PARAMETERS.get(parameter["name"]))
        if parameter["name"] in PARAMETER_EXAMPLES and _is_free_text(parameter["schema"]):
            parameter["example"] = PARAMETER_EXAMPLES[parameter["name"]]
    if method == "POST" and path != "/leads":
        operation.setdefault("parameters", []).append(_IDEMPOTENCY_KEY)
    operation["tags"] = list(dict.fromkeys(operation["tags"]))
    for answer in operation["responses"].values():
        for media_type, content in answer.get("content", {}).items():
            content.setdefault("schema", _file_of(media_type))
    operation["responses"]["default"] = {
        "description": "A problem document (RFC 9457).",
        "headers": _HEADERS,
        "content": {PROBLEM_JSON: {"schema": problem}},
    }


def _file_of(media_type: str) -> dict[str, str]:
    return {"type": "string"} if media_type.startswith("text/") else _BINARY


def _is_free_text(schema: dict[str, Any]) -> bool:
    kinds = schema.get("anyOf", [schema])
    return any(kind.get("type") == "string" and "enum" not in kind for kind in kinds)


def _explain(name: str, schema: dict[str, Any]) -> None:
    for member, property_ in schema.get("properties", {}).items():
        words = MEMBERS.get(f"{name}.{member}") or MEMBERS.get(member)
        if words and "description" not in property_:
            property_["description"] = words
    if name in EXAMPLES:
        schema["examples"] = [EXAMPLES[name]]


def _post_leads(lead: Any, answer: Any, problem: Any) -> dict[str, Any]:
    def answered(text: str) -> dict[str, Any]:
        return {"description": text, "content": {"application/json": {"schema": answer}}}

    leads = {"type": "array", "items": lead, "minItems": 1, "maxItems": MAX_LEADS}
    return {
        "tags": ["leads"],
        "summary": "Post Leads",
        "description": f"One lead, or an array of up to {MAX_LEADS} with up to {MAX_ACTIONS} "
        f"actions each, in {MAX_BODY_BYTES} bytes, packed by `Content-Encoding: gzip` or not. "
        "As x-ndjson a lead a line, with a result for each. Sending a lead again changes nothing. "
        f"An answer names up to {MAX_ERRORS_PER_LEAD} errors of a lead; from {MAX_ERRORS} errors "
        f"on, the first of each further lead. A pointer shows {MAX_NAME_LENGTH} characters of a "
        "name.",
        "operationId": "post_leads",
        "parameters": [
            {
                "name": "mapping",
                "in": "query",
                "description": "A stored mapping or a preset: the body is then the JSON of a "
                "lead form's webhook (docs/imports.md).",
                "schema": {"type": "string", "maxLength": 64},
            }
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"oneOf": [lead, leads]}},
                "application/x-ndjson": {
                    "schema": {"type": "string", "description": "A lead a line."}
                },
            },
        },
        "responses": {
            "200": answered("Every lead is stored; some were before."),
            "201": answered("Every lead is stored and new."),
            "202": answered("The lead is quarantined: its customer or product is unknown."),
            "207": answered("Some leads of the array were refused or quarantined; see each."),
            "default": {
                "description": "A problem document (RFC 9457).",
                "content": {PROBLEM_JSON: {"schema": problem}},
            },
        },
    }
