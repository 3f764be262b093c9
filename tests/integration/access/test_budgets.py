"""Budgets of keys: what a request costs, and what who has spent too much is told."""

import json

import httpx
import pytest

from common.access.authentication import authenticator
from common.access.budgets import Buckets
from tests.integration.access.conftest import As
from tests.support.api import action, lead, post, register

HEADERS = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def limit(monkeypatch: pytest.MonkeyPatch, units: int) -> None:
    monkeypatch.setenv("RATE_LIMIT_UNITS_PER_MINUTE", str(units))
    authenticator.cache_clear()


def told(answer: httpx.Response) -> tuple[int, ...]:
    return tuple(int(answer.headers[name]) for name in HEADERS)


def test_bucket_is_spent_at_once_and_fills_evenly() -> None:
    clock = Clock()
    buckets = Buckets(60, 60.0, clock)

    first = buckets.take("one", 25)
    assert (first.limit, first.remaining, first.full_in_seconds, first.wait_seconds) == (
        (60, 35, 25, 0)
    )
    assert buckets.take("one", 35).remaining == 0
    refused = buckets.take("one", 25)
    assert (refused.remaining, refused.full_in_seconds, refused.wait_seconds) == (0, 60, 25)
    clock.now = 24.5
    assert buckets.take("one", 25).wait_seconds == 1
    clock.now = 25.0
    assert buckets.take("one", 25).wait_seconds == 0
    assert buckets.take("another").remaining == 59
    clock.now = 1000.0
    assert buckets.take("one").remaining == 59


def test_what_costs_more_than_a_bucket_costs_all_of_it() -> None:
    buckets = Buckets(10, 60.0, Clock())

    assert buckets.take("one", 25).wait_seconds == 0
    assert buckets.take("one", 25).wait_seconds == 60


def test_buckets_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.access.budgets._MAX_BUCKETS", 3)
    buckets = Buckets(10, 60.0, Clock())

    for key in "abcde":
        buckets.take(key)

    assert list(buckets._buckets) == ["c", "d", "e"]


def test_over_its_budget_a_key_is_429_and_told_when_to_come_back(
    client_as: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, other = client_as("admin"), client_as("admin")
    limit(monkeypatch, 2)

    read = [client.get("/customers") for _ in range(3)]
    sent = [post(other, []) for _ in range(3)]

    for answers, status in ((read, 200), (sent, 400)):
        assert [answer.status_code for answer in answers] == [status, status, 429]
        assert [told(answer)[:2] for answer in answers] == [(2, 1), (2, 0), (2, 0)]
        assert 55 <= told(answers[2])[2] <= 60
        assert 25 <= int(answers[2].headers["retry-after"]) <= 30
        assert "retry-after" not in answers[1].headers


@pytest.mark.parametrize(
    ("method", "path", "cost"),
    [
        ("GET", "/customers", 1),
        ("GET", "/billing/reports/acme/2024-04", 1),
        ("GET", "/billing/reports/acme/2024-04.html", 1),
        ("GET", "/nowhere", 0),
        ("GET", "/health/ready", 0),
        ("GET", "/billing/reports/acme/2024-04.pdf", 25),
        ("GET", "/billing/reports/acme/2024-04.csv", 25),
        ("GET", "/billing/reconciliation", 25),
        ("POST", "/billing/simulations", 25),
        ("POST", "/exports", 25),
        ("POST", "/imports", 25),
        ("POST", "/billing/periods/2024-05/close", 25),
    ],
)
def test_request_costs_its_key_by_what_it_takes(
    client_as: As, monkeypatch: pytest.MonkeyPatch, method: str, path: str, cost: int
) -> None:
    client = client_as("admin")
    limit(monkeypatch, 1000)

    answer = client.request(method, path)

    if cost:
        assert told(answer)[:2] == (1000, 1000 - cost)
    else:
        assert not set(HEADERS) & set(answer.headers)


def test_leads_cost_their_key_by_their_size(client_as: As, monkeypatch: pytest.MonkeyPatch) -> None:
    client = client_as("admin")
    register(client)
    many = json.dumps([lead(f"l{number}", action("x" * 200)) for number in range(700)])

    assert len(many) > 200_000
    for body, cost in ((lead("l", action()), 1), (many.encode(), 1 + len(many) // 100_000)):
        limit(monkeypatch, 1000)
        assert told(post(client, body))[:2] == (1000, 1000 - cost)


def test_refused_keys_and_roles_cost_no_other_budget(
    admin: httpx.Client, client_as: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = client_as("ingest")
    known = admin.headers["authorization"]
    guess = known[:-1] + ("A" if known[-1] != "A" else "B")
    limit(monkeypatch, 100)

    guessed = [admin.get("/customers", headers={"authorization": guess}) for _ in range(5)]
    forbidden = sender.get("/customers")

    assert {answer.status_code for answer in guessed} == {401}
    assert not set(HEADERS) & set(guessed[0].headers)
    assert (forbidden.status_code, told(forbidden)[1]) == (403, 99)
    assert told(admin.get("/customers"))[1] == 99


def test_open_access_and_no_limit_tell_of_none(
    gateway: httpx.Client, admin: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(monkeypatch, 0)
    assert not set(HEADERS) & set(admin.get("/customers").headers)
    limit(monkeypatch, 100)
    monkeypatch.setenv("OPEN_ACCESS", "true")
    authenticator.cache_clear()
    assert not set(HEADERS) & set(gateway.get("/customers", headers={"authorization": ""}).headers)
