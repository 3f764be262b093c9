"""The OpenAPI description of the whole API, the function's route included."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from common.leads.parsing import MAX_BODY_BYTES, MAX_ERRORS, MAX_ERRORS_PER_LEAD, MAX_LEADS
from common.leads.schemas import MAX_ACTIONS, Lead
from common.leads.validation_errors import MAX_NAME_LENGTH
from common.problems import PROBLEM_JSON
from services.reports.api.schemas.leads import IngestionSummary
from services.reports.api.schemas.problems import Problem

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
        app.openapi_schema = description
    return app.openapi_schema


def _post_leads(lead: Any, answer: Any, problem: Any) -> dict[str, Any]:
    def answered(text: str) -> dict[str, Any]:
        return {"description": text, "content": {"application/json": {"schema": answer}}}

    leads = {"type": "array", "items": lead, "minItems": 1, "maxItems": MAX_LEADS}
    return {
        "tags": ["leads"],
        "summary": "Post Leads",
        "description": f"One lead, or an array of up to {MAX_LEADS} with up to {MAX_ACTIONS} "
        f"actions each, in {MAX_BODY_BYTES} bytes. Sending a lead again changes nothing. "
        f"An answer names up to {MAX_ERRORS_PER_LEAD} errors of a lead; from {MAX_ERRORS} errors "
        f"on, the first of each further lead. A pointer shows {MAX_NAME_LENGTH} characters of a "
        "name.",
        "operationId": "post_leads",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"oneOf": [lead, leads]}}},
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
