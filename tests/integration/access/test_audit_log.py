"""The audit log: every change leaves who, what, before and after."""

import re

import httpx

from tests.integration.access.conftest import entries
from tests.support.api import (
    Wire,
    action,
    lead,
    post,
)


def test_every_change_leaves_who_what_before_and_after(two_customers: httpx.Client) -> None:
    entry = {"name": "Acme", "email": "new.address@acme.test"}
    two_customers.put("/customers/acme", json=entry).raise_for_status()
    key = two_customers.post("/keys", json={"name": "feed", "role": "ingest"}).json()
    two_customers.post(f"/keys/{key['key_id']}/revoke").raise_for_status()

    changed = entries(two_customers, subject="customer", action="changed")[0]
    made, ended = reversed(entries(two_customers, subject_id=key["key_id"]))
    kinds = {(entry["subject"], entry["action"]) for entry in entries(two_customers, limit=500)}

    assert re.fullmatch(r"key [0-9a-f]{12} \(the admin\)", changed["actor"])
    assert (changed["before"]["name"], changed["after"]["name"]) == ("The acme", "Acme")
    assert changed["after"]["email"] == "n***@acme.test"
    assert made["after"]["role"] == "ingest"
    assert (ended["action"], ended["before"]["expires_at"]) == ("ended", None)
    assert {
        ("api_key", "created"),
        ("customer", "created"),
        ("product", "created"),
        ("report", "closed"),
        ("rate_card", "created"),
    } <= kinds
    card = entries(two_customers, subject="rate_card")[0]["after"]
    assert (card["customer_id"], len(card["rates"])) == ("beta", 3)
    report = entries(two_customers, subject="report")[0]["after"]
    assert report["customer_id"] in {"acme", "beta"}
    assert len(report["content_hash"]) == 64


def test_what_changes_nothing_leaves_no_entry(two_customers: httpx.Client) -> None:
    before = len(entries(two_customers, limit=500))

    two_customers.put("/products/abc", json={"name": "abc"}).raise_for_status()
    post(two_customers, lead("acme-april", action()))

    assert len(entries(two_customers, limit=500)) == before


def test_billing_run_leaves_an_entry_when_it_starts_and_when_it_has_finished(
    two_customers: httpx.Client,
) -> None:
    run = two_customers.post("/billing/periods/2024-04/close", json={}).raise_for_status().json()

    finished, started = entries(two_customers, subject_id=run["run_id"])

    assert (started["action"], finished["action"]) == ("started", "finished")
    assert finished["after"]["already_closed"] == run["already_closed"] > 0
    assert started["after"]["row_hash"] != finished["after"]["row_hash"]


def test_change_that_fails_leaves_no_entry(admin: httpx.Client) -> None:
    admin.put("/customers/acme", json={"name": "Acme", "email": "a@acme.test"})
    before = len(entries(admin))

    answer = admin.put("/customers/beta", json={"name": "Beta", "email": "a@acme.test"})

    assert answer.status_code == 409
    assert len(entries(admin)) == before


def test_replay_is_audited_without_the_person(two_customers: httpx.Client) -> None:
    two_customers.put("/products/nowhere", json={"name": "Now here"}).raise_for_status()
    waiting = two_customers.get("/leads/quarantined").json()["data"][0]
    two_customers.post(f"/leads/quarantined/{waiting['quarantine_id']}/replay").raise_for_status()

    (entry,) = entries(two_customers, subject="quarantined_lead")

    assert entry["action"] == "replayed"
    assert "people.test" not in two_customers.get("/audit", params={"limit": 500}).text


def test_audit_is_filtered_and_paged(two_customers: httpx.Client) -> None:
    everything = entries(two_customers, limit=500)

    paged: list[Wire] = []
    cursor = ""
    while cursor is not None:
        query = {"limit": "3"} | ({"cursor": cursor} if cursor else {})
        page = two_customers.get("/audit", params=query).json()
        paged += page["data"]
        cursor = page["next_cursor"]

    assert paged == everything
    assert entries(two_customers, actor="the admin", limit=500)[0]["actor"].endswith("(the admin)")
    assert entries(two_customers, actor="%") == []
    assert entries(two_customers, to="2020-01-01") == []
    assert {entry["subject"] for entry in entries(two_customers, subject="product")} == {"product"}
