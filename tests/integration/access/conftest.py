"""Clients with keys, of an API that lets in nobody without one."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from common.access.api_keys import create_key
from common.access.authentication import authenticator
from common.database.transactions import transaction
from common.enums import Role
from common.settings import settings
from tests.support.api import (
    Wire,
    action,
    check_shape,
    lead,
    post,
    register,
)
from tests.support.clients import client_of

As = Callable[..., httpx.Client]


@pytest.fixture
def admin(gateway: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> httpx.Client:
    """A client with an admin key, of an API that lets in nobody without one."""
    monkeypatch.setenv("OPEN_ACCESS", "false")
    monkeypatch.setenv("KEY_CACHE_SECONDS", "1")
    settings.cache_clear()
    authenticator.cache_clear()
    with transaction() as session:
        _, token = create_key(session, "the admin", Role.ADMIN, None)
    gateway.headers["authorization"] = f"Bearer {token.text}"
    gateway.event_hooks["response"].append(check_shape)
    return gateway


@pytest.fixture
def client_as(admin: httpx.Client) -> Iterator[As]:
    """Makes clients of other keys."""
    made: list[httpx.Client] = []

    def client_with(role: str, customer: str | None = None, key: str | None = None) -> httpx.Client:
        if key is None:
            body = {"name": f"a {role}", "role": role, "customer_id": customer}
            key = admin.post("/keys", json=body).json()["key"]
        headers = {"authorization": f"Bearer {key}"} if key else {}
        made.append(client_of(admin.base_url, headers=headers))
        made[-1].event_hooks["response"].append(check_shape)
        return made[-1]

    yield client_with
    for client in made:
        client.close()


@pytest.fixture
def two_customers(admin: httpx.Client) -> httpx.Client:
    """Customers acme and beta with a product, leads, a closed month and a quarantined lead each."""
    register(admin, customers={"acme": "UTC", "beta": "UTC"}, products="abc bcd")
    for customer, product in (("acme", "abc"), ("beta", "bcd")):
        members = {"customer_id": customer, "product_id": product}
        leads = [
            lead(f"{customer}-april", action(), **members),
            lead(f"{customer}-may", action(timestamp="2024-05-02T09:00:00Z"), **members),
            lead(f"{customer}-stray", **members | {"product_id": "nowhere"}),
        ]
        assert post(admin, leads).status_code == 207
    admin.post("/billing/periods/2024-04/close", json={}).raise_for_status()
    card = {
        "name": "Only beta's",
        "customer_id": "beta",
        "valid_from": "2099-01",
        "currency": "USD",
        "rates": [
            {"engagement_level": level, "amount": "1.00"} for level in ("High", "Medium", "Low")
        ],
        "cap": {"amount": "100.00", "scope": "user"},
        "duplicates_charged_for": [],
    }
    admin.post("/rate-cards", json=card).raise_for_status()
    return admin


def entries(admin: httpx.Client, **query: Any) -> list[Wire]:
    found: list[Wire] = admin.get("/audit", params=query).json()["data"]
    return found
