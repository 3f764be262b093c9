"""API keys themselves: made, listed, rotated, revoked, and refused."""

import time
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from common.access.api_keys import has_admin
from common.database.engine import get_engine
from common.database.transactions import transaction
from common.settings import settings
from tests.integration.access.conftest import As
from tests.support.api import (
    Wire,
    post,
    register,
)


def test_key_is_shown_once_and_stored_as_a_hash(admin: httpx.Client) -> None:
    made = admin.post("/keys", json={"name": " Billing  ", "role": "viewer"})

    key = made.json()["key"]
    secret = key.split("_", 2)[2]
    with get_engine().connect() as connection:
        stored = connection.execute(text("select api_keys::text from api_keys")).scalars().all()
    assert made.headers["cache-control"] == "private, no-store"
    assert made.json()["name"] == "Billing"
    assert secret not in admin.get("/keys").text
    assert secret not in admin.get("/audit").text
    assert not any(secret in row for row in stored)


def test_keys_are_listed_a_page_at_a_time_newest_first(admin: httpx.Client) -> None:
    names = [f"key {number}" for number in range(5)]
    for name in names:
        admin.post("/keys", json={"name": name, "role": "ingest"})

    found, cursor = [], ""
    while cursor is not None:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = admin.get("/keys", params=query).json()
        found += [key["name"] for key in page["data"]]
        cursor = page["next_cursor"]

    assert found == [*reversed(names), "the admin"]


def test_revoked_key_is_refused_within_the_cache_time(admin: httpx.Client, client_as: As) -> None:
    viewer, sender = client_as("viewer"), client_as("ingest")
    assert viewer.get("/leads").status_code == 200
    assert post(sender, []).status_code == 400

    for listed in admin.get("/keys").json()["data"]:
        if listed["role"] != "admin":
            admin.post(f"/keys/{listed['key_id']}/revoke").raise_for_status()
    time.sleep(settings().key_cache_seconds + 0.1)

    assert viewer.get("/leads").status_code == 401
    assert post(sender, []).status_code == 401


def test_rotated_key_works_on_for_its_overlap_and_not_longer(
    admin: httpx.Client, client_as: As
) -> None:
    old = admin.post("/keys", json={"name": "feed", "role": "viewer"}).json()

    kept = admin.post(f"/keys/{old['key_id']}/rotate").json()
    ended = admin.post(f"/keys/{kept['key_id']}/rotate", json={"overlap_hours": 0}).json()
    again = admin.post(f"/keys/{kept['key_id']}/rotate")

    assert (kept["name"], kept["role"], kept["rotated_from"]) == ("feed", "viewer", old["key_id"])
    assert client_as("", key=old["key"]).get("/leads").status_code == 200
    assert client_as("", key=kept["key"]).get("/leads").status_code == 401
    assert client_as("", key=ended["key"]).get("/leads").status_code == 200
    assert again.status_code == 409


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "x", "role": "admin", "customer_id": "acme"}, 422),
        ({"name": "x", "role": "viewer", "customer_id": "nobody"}, 404),
        ({"name": "", "role": "viewer"}, 422),
        ({"name": "x", "role": "owner"}, 422),
        ({"name": "x", "role": "viewer", "key": "mine"}, 422),
    ],
)
def test_key_that_cannot_be_is_refused(admin: httpx.Client, body: Wire, status: int) -> None:
    register(admin)

    assert admin.post("/keys", json=body).status_code == status


@pytest.mark.parametrize("hours", [-1, 1.5, "1", True, 10**6])
def test_overlap_that_is_no_number_of_hours_is_refused(admin: httpx.Client, hours: Any) -> None:
    key_id = admin.post("/keys", json={"name": "x", "role": "viewer"}).json()["key_id"]

    answer = admin.post(f"/keys/{key_id}/rotate", json={"overlap_hours": hours})

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/overlap_hours")


def test_unknown_key_cannot_be_rotated_or_revoked(admin: httpx.Client) -> None:
    assert admin.post("/keys/000000000000/rotate").status_code == 404
    assert admin.post("/keys/000000000000/revoke").status_code == 404


def test_key_that_has_ended_is_no_admin_any_more(admin: httpx.Client) -> None:
    with transaction() as session:
        before = has_admin(session)
    key_id = admin.headers["authorization"].split("_")[1]
    admin.post(f"/keys/{key_id}/revoke").raise_for_status()

    with transaction() as session:
        after = has_admin(session)

    assert (before, after) == (True, False)
