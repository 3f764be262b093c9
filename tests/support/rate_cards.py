"""Rate cards as the API takes them."""

import json
from collections.abc import Callable
from typing import Any

import httpx

from tests.support.api import PROJECT, Wire

SAMPLE_CARD = json.loads((PROJECT / "docs" / "samples" / "rate_card.json").read_bytes())
LEVELS = [("High", "10.00"), ("Medium", "5.00"), ("Low", "2.00")]
Clock = Callable[[str], None]


def rate(level: str, amount: str, **members: str) -> Wire:
    return {"engagement_level": level, "amount": amount, **members}


def card(*special: Wire, **members: Any) -> Wire:
    return {
        "name": "Another",
        "valid_from": "2024-04",
        "currency": "USD",
        "rates": [*(rate(*level) for level in LEVELS), *special],
        "cap": {"amount": "100.00", "scope": "user"},
    } | members


def send(client: httpx.Client, body: Wire) -> httpx.Response:
    return client.post("/rate-cards", json=body)


def accepted(client: httpx.Client, body: Wire) -> Any:
    answer = send(client, body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def refused(answer: httpx.Response, status: int = 422) -> list[tuple[str, str]]:
    assert answer.status_code == status, answer.text
    return [(error["pointer"], error["code"]) for error in answer.json()["errors"]]
