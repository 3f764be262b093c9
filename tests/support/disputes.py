"""Disputes of lines and leads, and their results."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx

from tests.support.api import Wire, report

Later = Callable[[timedelta], None]


def ask(client: httpx.Client, lead_id: str = "lead-1", **members: Any) -> httpx.Response:
    body = {"lead_id": lead_id, "reason": "spam"} | members
    return client.post("/billing/disputes", json=body)


def disputed(client: httpx.Client, lead_id: str = "lead-1", **members: Any) -> Any:
    answer = ask(client, lead_id, **members)
    assert answer.status_code == 201, answer.text
    return answer.json()


def resolved(client: httpx.Client, dispute: Wire, verb: str = "accept", **body: str) -> Any:
    answer = client.post(f"/billing/disputes/{dispute['dispute_id']}/{verb}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(answer: httpx.Response, status: int = 409) -> list[tuple[str, str]]:
    assert answer.status_code == status, answer.text
    return [(error["pointer"], error["code"]) for error in answer.json()["errors"]]


def line_of(client: httpx.Client, action_type: str, period: str = "2024-04") -> str:
    bill = report(client, "acme", period)
    lines = bill["lines"] + bill["prior_period"]["lines"]
    return str(next(line["action_id"] for line in lines if line["action_type"] == action_type))
