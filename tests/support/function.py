"""Calls of the Lambda function, and what it answers and prints."""

import json
from typing import Any

import pytest

from functions.ingest.handler import handler
from scripts.gateway import LambdaContext
from services.reports.api.schemas.leads import IngestionSummary
from tests.support.api import check_problem

EMAIL, PHONE = "ann.private@people.test", "+15550100777"


def event(
    body: str | None = None, method: str = "POST", path: str = "/leads", **headers: str
) -> dict[str, Any]:
    made: dict[str, Any] = {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json"}
        | {name.replace("_", "-"): value for name, value in headers.items()},
        "requestContext": {
            "http": {"method": method, "path": path, "sourceIp": "127.0.0.1"},
            "requestId": "request-1",
            "stage": "$default",
        },
        "isBase64Encoded": False,
    }
    return made if body is None else made | {"body": body}


def invoke(sent: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = handler(sent, LambdaContext(aws_request_id="aws-1"))
    return answer


def posted(answer: dict[str, Any]) -> Any:
    """The answer's document, held against its shape."""
    document = json.loads(answer["body"])
    if answer["statusCode"] >= 400:
        headers = {name.lower(): value for name, value in answer["headers"].items()}
        check_problem(answer["statusCode"], headers, document, "/leads")
    else:
        IngestionSummary.model_validate_json(answer["body"])
    return document


# --- logs and metrics


def printed(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> str:
    out, err = capfd.readouterr()
    return out + err + caplog.text + "".join(map(str, caplog.records))
