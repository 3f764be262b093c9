"""Idempotency-Key: a POST is carried out once under its key, and answered alike for a day."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from common.database.engine import in_role
from common.database.grants import SERVICE
from common.database.locks import lock_customer
from common.database.transactions import transaction
from common.identifiers import customer_id
from common.settings import settings
from services.reports.api.openapi import describe
from services.reports.app import app
from services.reports.http.idempotency import NOT_KEPT
from services.reports.worker import forget_old_answers
from tests.integration.access.conftest import As
from tests.support.api import Wire, action, lead, post, register

DISPUTE = {"lead_id": "lead-1", "customer_id": "acme", "reason": "spam"}
HELD = text("select count(*) from idempotency_keys")


def sent(
    client: httpx.Client, path: str, body: Any = None, key: str = "key-1", **more: Any
) -> httpx.Response:
    return client.post(path, json=body, headers={"idempotency-key": key}, **more)


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errors"][0]["code"]


@pytest.fixture
def acme(admin: httpx.Client) -> httpx.Client:
    """An API with a key, and a lead of acme."""
    register(admin)
    post(admin, lead("lead-1", action())).raise_for_status()
    return admin


def changed(statement: str) -> None:
    with transaction() as session:
        session.execute(text(statement))


def number_of_disputes(client: httpx.Client) -> int:
    return len(client.get("/billing/disputes").json()["data"])


def test_same_request_gets_the_first_answer_and_is_carried_out_once(acme: httpx.Client) -> None:
    first = sent(acme, "/billing/disputes", DISPUTE)
    again = sent(acme, "/billing/disputes", DISPUTE)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert number_of_disputes(acme) == 1


def test_a_refusal_is_answered_again_too(acme: httpx.Client) -> None:
    sent(acme, "/billing/disputes", DISPUTE, key="first")

    first = sent(acme, "/billing/disputes", DISPUTE)
    again = sent(acme, "/billing/disputes", DISPUTE)

    assert first.status_code == 409
    assert again.json() == first.json()
    assert again.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/billing/disputes", DISPUTE | {"reason": "wrong_lead_type"}),
        ("/billing/simulations", DISPUTE),
        ("/billing/disputes?", DISPUTE | {"note": "x"}),
    ],
)
def test_another_request_with_the_key_is_refused(acme: httpx.Client, path: str, body: Wire) -> None:
    sent(acme, "/billing/disputes", DISPUTE).raise_for_status()

    assert code_of(sent(acme, path, body)) == (422, "idempotency_key_reused")
    assert number_of_disputes(acme) == 1


def test_fields_that_are_refused_leave_the_key_unused(acme: httpx.Client) -> None:
    assert sent(acme, "/billing/disputes", DISPUTE | {"reason": "because"}).status_code == 422

    assert sent(acme, "/billing/disputes", DISPUTE).status_code == 201


def test_callers_have_keys_of_their_own(
    two_customers: httpx.Client,
    client_as: As,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FILE_STORE_DIR", str(tmp_path))
    settings.cache_clear()
    order = {"kind": "lines", "format": "csv", "period": "2024-05"}
    clients = [two_customers, client_as("viewer", "acme"), client_as("viewer", "beta")]

    answers = [sent(client, "/exports", order).raise_for_status() for client in clients]

    assert len({answer.json()["export_id"] for answer in answers}) == 3
    assert sent(clients[1], "/exports", order).json() == answers[1].json()


@pytest.mark.parametrize("key", ["", "k" * 256, "caf\u00e9", "tab\tin it"])
def test_a_key_of_another_form_is_refused(acme: httpx.Client, key: str) -> None:
    answer = acme.post(
        "/billing/disputes", json=DISPUTE, headers={b"idempotency-key": key.encode()}
    )

    assert code_of(answer) == (422, "invalid_idempotency_key")
    assert number_of_disputes(acme) == 0


def test_a_key_in_use_is_answered_at_once(acme: httpx.Client) -> None:
    with ThreadPoolExecutor() as pool:
        with transaction() as session:
            lock_customer(session, customer_id("acme"))
            first = pool.submit(sent, acme, "/billing/disputes", DISPUTE)
            wait_for_a_claim()
            meanwhile = sent(acme, "/billing/disputes", DISPUTE)
        answer = first.result()

    assert code_of(meanwhile) == (409, "idempotency_key_in_use")
    assert meanwhile.headers["retry-after"] == "1"
    assert answer.status_code == 201
    assert sent(acme, "/billing/disputes", DISPUTE).content == answer.content


def test_many_at_once_are_carried_out_once(acme: httpx.Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(sent, acme, "/billing/disputes", DISPUTE) for _ in range(16)]
        statuses = {job.result().status_code for job in jobs}

    assert statuses <= {201, 409}
    assert number_of_disputes(acme) == 1
    assert sent(acme, "/billing/disputes", DISPUTE).status_code == 201


def test_what_a_dead_process_changed_is_not_done_again(acme: httpx.Client) -> None:
    sent(acme, "/billing/disputes", DISPUTE).raise_for_status()
    changed(  # as it is between the commit and the answer
        "update idempotency_keys set status = null, headers = null, body = null, "
        "leased_until = now()"
    )

    assert code_of(sent(acme, "/billing/disputes", DISPUTE)) == (409, "idempotent_answer_lost")
    assert number_of_disputes(acme) == 1


def test_what_a_dead_process_did_not_begin_is_done(acme: httpx.Client) -> None:
    sent(acme, "/billing/disputes", DISPUTE | {"lead_id": "nobody"})
    changed(
        "update idempotency_keys set status = null, headers = null, body = null, "
        "is_carried_out = false, leased_until = now()"
    )
    post(acme, lead("nobody", action())).raise_for_status()

    answer = sent(acme, "/billing/disputes", DISPUTE | {"lead_id": "nobody"})

    assert answer.status_code == 201


def test_an_error_of_ours_leaves_the_key_unused(
    acme: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a fault")

    with monkeypatch.context() as broken:
        broken.setattr("services.reports.api.disputes.Dispute.from_dispute", fail, raising=False)
        broken.setattr("services.reports.api.disputes.open_dispute", fail, raising=False)
        assert sent(acme, "/billing/disputes", DISPUTE).status_code == 500

    assert sent(acme, "/billing/disputes", DISPUTE).status_code == 201


def test_after_a_day_the_key_is_new(acme: httpx.Client) -> None:
    sent(acme, "/billing/disputes", DISPUTE).raise_for_status()
    changed("update idempotency_keys set expires_at = now()")

    answer = sent(acme, "/billing/disputes", DISPUTE | {"lead_id": "another"})

    assert "idempotency_key_reused" not in answer.text
    assert count_of_keys() == 1


def test_the_worker_forgets_what_is_a_day_old(acme: httpx.Client) -> None:
    sent(acme, "/billing/disputes", DISPUTE, key="old").raise_for_status()
    changed("update idempotency_keys set expires_at = now()")
    sent(acme, "/billing/simulations", {}, key="refused")
    sent(acme, "/billing/disputes", DISPUTE, key="new")

    with in_role(SERVICE):
        assert forget_old_answers(settings(), threading.Event())
        assert not forget_old_answers(settings(), threading.Event())

    assert count_of_keys() == 1


def test_answers_with_secrets_are_not_kept(acme: httpx.Client) -> None:
    body = {"name": "reader", "role": "viewer"}
    first = sent(acme, "/keys", body)
    secret = first.json()["key"]

    assert code_of(sent(acme, "/keys", body)) == (409, "idempotent_answer_not_kept")
    assert len(acme.get("/keys").json()["data"]) == 2
    with transaction() as session:
        (kept,) = session.execute(text("select k::text from idempotency_keys k")).scalars()
    assert secret not in kept
    assert secret.encode().hex() not in kept


def test_every_answer_with_a_secret_is_known() -> None:
    """By the descriptions of answers: those that have a member `key` or `secret` of text."""
    description = describe(app)
    schemas = description["components"]["schemas"]
    with_secret = {
        name
        for name, schema in schemas.items()
        if {"key", "secret"} & schema.get("properties", {}).keys()
    }
    found = {
        path
        for path, methods in description["paths"].items()
        for status, answer in methods.get("post", {}).get("responses", {}).items()
        for content in answer.get("content", {}).values()
        if content.get("schema", {}).get("$ref", "").rpartition("/")[2] in with_secret
    }

    assert found == NOT_KEPT


def test_erasing_a_user_empties_kept_answers(acme: httpx.Client) -> None:
    sent(acme, "/billing/disputes", DISPUTE).raise_for_status()
    acme.post("/customers/acme/erasures", json={"user": "ann@people.test"}).raise_for_status()

    assert code_of(sent(acme, "/billing/disputes", DISPUTE)) == (409, "idempotent_answer_not_kept")


def test_leads_need_no_key(acme: httpx.Client) -> None:
    headers = {"idempotency-key": "key-1"}
    for number in range(2):
        answer = acme.post("/leads", json=lead(f"lead-{number}"), headers=headers)
        assert answer.status_code in {200, 201}

    assert count_of_keys() == 0


def test_every_post_says_that_it_takes_a_key() -> None:
    for path, methods in describe(app)["paths"].items():
        names = {item["name"] for item in methods.get("post", {}).get("parameters", [])}
        assert ("Idempotency-Key" in names) == ("post" in methods and path != "/leads"), path


def count_of_keys() -> int:
    with transaction() as session:
        return int(session.scalar(HELD) or 0)


def wait_for_a_claim() -> None:
    for _ in range(500):
        if count_of_keys():
            return
        threading.Event().wait(0.01)
    raise AssertionError("no request took the key")
