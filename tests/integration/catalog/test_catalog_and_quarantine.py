"""Customers, products, and the leads that wait for them."""

import json

import httpx
import pytest

from common.identifiers import customer_id
from tests.support.api import (
    JSON,
    Wire,
    action,
    lead,
    path_of,
    post,
    register,
    report,
    statuses,
)

NOTHING = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"


def held(client: httpx.Client) -> list[Wire]:
    listed: list[Wire] = client.get("/leads/quarantined").json()["data"]
    return listed


def replay(client: httpx.Client, entry: Wire) -> httpx.Response:
    return client.post(f"/quarantine/{entry['quarantine_id']}/replay")


# --- customers


def test_new_customer_is_201_and_the_same_again_200(api: httpx.Client) -> None:
    body = {"name": " Acme ", "email": "Billing@Acme.test ", "timezone": "Europe/Berlin"}

    first = api.put("/customers/acme", json=body)
    again = api.put("/customers/acme", json=body)

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert (first.json()["name"], first.json()["email"]) == ("Acme", "billing@acme.test")


def test_customer_without_zone_is_billed_in_utc_or_stays_in_its_own(api: httpx.Client) -> None:
    body = {"name": "Acme", "email": "a@acme.test"}

    assert api.put("/customers/acme", json=body).json()["timezone"] == "UTC"
    api.put("/customers/acme", json=body | {"timezone": "Asia/Kolkata"})
    assert api.put("/customers/acme", json=body).json()["timezone"] == "Asia/Kolkata"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": " "}, "/name"),
        ({"name": None}, "/name"),
        ({"name": "a\0"}, "/name"),
        ({"name": "\ud800"}, "/name"),
        ({"name": "x" * 201}, "/name"),
        ({"email": "nobody"}, "/email"),
        ({"email": ""}, "/email"),
        ({"timezone": "Mars/Olympus"}, "/timezone"),
        ({"timezone": "+02:00"}, "/timezone"),
        ({"timezone": "posixrules"}, "/timezone"),
        ({"timezone": ""}, "/timezone"),
        ({"colour": "red"}, "/colour"),
    ],
)
def test_refused_customer_is_422_with_the_field(
    api: httpx.Client, change: Wire, pointer: str
) -> None:
    body = {"name": "Acme", "email": "a@acme.test"} | change

    answer = api.put("/customers/acme", content=json.dumps(body).encode(), headers=JSON)

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert api.get("/customers").json()["data"] == []


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[" * 100_000, b"NaN"])
def test_body_that_is_no_json_is_refused_not_an_error_of_ours(
    api: httpx.Client, content: bytes
) -> None:
    answer = api.put("/customers/acme", content=content, headers=JSON)

    assert answer.status_code == (413 if content.startswith(b"[[") else 400)


def test_missing_field_of_a_customer_is_named(api: httpx.Client) -> None:
    errors = api.put("/customers/acme", json={}).json()["errors"]

    assert {(error["pointer"], error["code"]) for error in errors} == {
        ("/name", "missing_field"),
        ("/email", "missing_field"),
    }


def test_email_of_another_customer_is_409(api: httpx.Client) -> None:
    api.put("/customers/acme", json={"name": "Acme", "email": "a@acme.test"})

    answer = api.put("/customers/beta", json={"name": "Beta", "email": "A@ACME.test"})

    assert answer.status_code == 409
    assert answer.json()["errors"][0]["code"] == "email_taken"


def test_customers_email_is_free_again_once_changed(api: httpx.Client) -> None:
    api.put("/customers/acme", json={"name": "Acme", "email": "a@acme.test"})
    api.put("/customers/acme", json={"name": "Acme", "email": "b@acme.test"})

    answer = api.put("/customers/beta", json={"name": "Beta", "email": "a@acme.test"})

    assert answer.status_code == 201


def test_zone_is_fixed_by_a_final_report(acme: httpx.Client) -> None:
    closed = acme.post("/billing/periods/2024-04/close", json={"customer_ids": ["acme"]})
    body = {"name": "Acme", "email": "a@acme.test"}

    moved = acme.put("/customers/acme", json=body | {"timezone": "Asia/Kolkata"})
    renamed = acme.put("/customers/acme", json=body | {"timezone": "UTC"})

    assert closed.json()["closed"] == 1
    assert (moved.status_code, renamed.status_code) == (409, 200)
    assert moved.json()["errors"][0]["code"] == "timezone_fixed"


def test_customers_are_listed_by_id_page_by_page(api: httpx.Client) -> None:
    register(api, customers=dict.fromkeys(["b", "a", "é", "C", "a/b"], "UTC"))

    found: list[str] = []
    query: Wire = {"limit": 2}
    while query.get("cursor", "") is not None:
        page = api.get("/customers", params=query).json()
        found += [row["customer_id"] for row in page["data"]]
        query["cursor"] = page["next_cursor"]

    assert found == ["C", "a", "a/b", "b", "é"]


def test_products_are_registered_changed_and_listed(api: httpx.Client) -> None:
    first = api.put("/products/abc", json={"name": "ABC", "description": "<b>"})
    again = api.put("/products/abc", json={"name": "A"})

    assert (first.status_code, again.status_code) == (201, 200)
    listed = api.get("/products").json()["data"]
    assert [(product["name"], product["description"]) for product in listed] == [("A", None)]


def test_id_in_uuid_form_is_the_customer_it_names(api: httpx.Client) -> None:
    register(api)
    key = str(customer_id("acme"))

    answer = api.put(path_of("customers", key), json={"name": "New", "email": "n@acme.test"})

    assert (answer.status_code, answer.json()["customer_id"]) == (200, "acme")


# --- quarantine


def test_quarantined_lead_is_kept_whole_with_its_reason(acme: httpx.Client) -> None:
    sent = lead(
        "l1",
        action(" Odd  Type ", "2024-04-01T10:05:00.5Z", "low"),
        action(),
        action(),
        customer_id="new",
        user={"email": "ann@people.test", "external_id": "7"},
    )
    post(acme, sent)

    (entry,) = held(acme)

    assert entry["reason"] == "unknown_customer"
    kept = entry["lead"]
    assert {name: kept[name] for name in ("lead_id", "customer_id", "user", "lead_type")} == {
        name: sent[name] for name in ("lead_id", "customer_id", "user", "lead_type")
    }
    assert [row["action_type"] for row in kept["actions"]] == [
        " Odd  Type ",
        "Form Submission",
        "Form Submission",
    ]


def test_replay_stores_the_lead_once_its_customer_is_known(acme: httpx.Client) -> None:
    post(acme, lead("l1", action(), action(), customer_id="new"))
    (entry,) = held(acme)
    register(acme, customers={"acme": "UTC", "new": "UTC"})

    answer = replay(acme, entry)

    assert (answer.status_code, answer.json()["status"]) == (200, "created")
    assert answer.json()["actions_added"] == 2
    assert held(acme) == []
    assert report(acme, "new", "2024-04")["totals"]["gross"] == "20.00"


def test_replay_twice_changes_nothing_the_second_time(acme: httpx.Client) -> None:
    post(acme, lead("l1", action(), product_id="new"))
    (entry,) = held(acme)
    register(acme, products="new")
    replay(acme, entry)

    again = replay(acme, entry)

    assert (again.status_code, again.json()["status"]) == (200, "unchanged")
    assert report(acme, "acme", "2024-04")["totals"]["gross"] == "10.00"


def test_replay_while_still_unknown_is_409_and_the_lead_stays(acme: httpx.Client) -> None:
    post(acme, lead("l1", action(), customer_id="new"))
    (entry,) = held(acme)

    answer = replay(acme, entry)

    assert answer.status_code == 409
    assert statuses(answer) == ["quarantined"]
    assert held(acme) == [entry]


def test_replay_of_what_conflicts_by_now_is_409_and_the_lead_stays(acme: httpx.Client) -> None:
    post(acme, lead("l1", action(), product_id="new"))
    (entry,) = held(acme)
    post(acme, lead("l1", action()))
    register(acme, products="new")

    answer = replay(acme, entry)

    assert (answer.status_code, statuses(answer)) == (409, ["conflict"])
    assert len(held(acme)) == 1


@pytest.mark.parametrize(
    ("entry", "status"), [(NOTHING, 404), ("nonsense", 404), (NOTHING.upper(), 404)]
)
def test_replay_of_what_is_not_held_is_refused(acme: httpx.Client, entry: str, status: int) -> None:
    assert replay(acme, {"quarantine_id": entry}).status_code == status


def test_retry_of_a_quarantined_lead_is_held_once(acme: httpx.Client) -> None:
    for _ in range(3):
        answer = post(acme, lead("l1", action(), customer_id="new"))
        assert answer.status_code == 202

    assert len(held(acme)) == 1


def test_lead_without_user_or_actions_survives_quarantine(acme: httpx.Client) -> None:
    post(acme, lead("l1", customer_id="new") | {"user": None})
    (entry,) = held(acme)
    register(acme, customers={"acme": "UTC", "new": "UTC"})

    assert replay(acme, entry).json()["status"] == "created"
    assert acme.get("/leads/l1").json()["user"] is None


def test_quarantined_leads_are_listed_page_by_page_newest_first(acme: httpx.Client) -> None:
    for number in range(5):
        post(acme, lead(f"l{number}", customer_id="new"))

    found: list[str] = []
    query: Wire = {"limit": 2}
    while query.get("cursor", "") is not None:
        page = acme.get("/leads/quarantined", params=query).json()
        found += [row["lead"]["lead_id"] for row in page["data"]]
        query["cursor"] = page["next_cursor"]

    assert found == ["l4", "l3", "l2", "l1", "l0"]
