"""API keys: who is let in, to what, and whose data they see."""

import json
import re
import time
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import httpx
import pytest
from fastapi.routing import iter_route_contexts
from sqlalchemy import Engine, NullPool, create_engine, make_url, text

import scripts.manage
from common.access.api_keys import create_key
from common.access.authentication import ApiKeyCache, CachedKey, Principal, authenticator
from common.access.rate_limit import RateLimit
from common.access.tokens import Token
from common.catalog.customers import register_customer
from common.catalog.products import register_product
from common.database.engine import get_engine, in_role
from common.database.errors import StatementRefused
from common.database.transactions import acting_as, snapshot, transaction
from common.enums import Role
from common.identifiers import customer_id, lead_id
from common.problems import DatabaseUnavailable, TooManyRequests, Unauthenticated
from common.settings import settings
from functions.ingest.handler import handler
from scripts.embedded_postgres import EmbeddedPostgres
from scripts.gateway import LambdaContext
from scripts.migrate import upgrade_configured_database
from services.reports.app import app
from services.reports.http.authorization import RULES
from services.reports.http.sessions import MAX_SECONDS, Session
from tests.console.filled import fill
from tests.integration.ingest.test_function import event
from tests.support.api import (
    JSON,
    Wire,
    action,
    check_shape,
    lead,
    path_of,
    post,
    refusals,
    register,
    statuses,
    without,
)

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

    def client_of(role: str, customer: str | None = None, key: str | None = None) -> httpx.Client:
        if key is None:
            body = {"name": f"a {role}", "role": role, "customer_id": customer}
            key = admin.post("/keys", json=body).json()["key"]
        headers = {"authorization": f"Bearer {key}"} if key else {}
        made.append(
            httpx.Client(base_url=admin.base_url, headers=headers, timeout=30, trust_env=False)
        )
        made[-1].event_hooks["response"].append(check_shape)
        return made[-1]

    yield client_of
    for each in made:
        each.close()


@pytest.fixture
def two(admin: httpx.Client) -> httpx.Client:
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


# --- who is let in


JSON_ALONE = {"accept": "application/json"}
ROUTES = {
    (method, str(route.path))
    for route in iter_route_contexts(app.routes)
    if hasattr(route.original_route, "dependant")
    for method in route.methods or ()
}


def test_every_route_has_a_rule_and_every_rule_a_route() -> None:
    described = {
        (method.upper(), path)
        for path, methods in app.openapi()["paths"].items()
        for method in methods
    }
    plain = {(method, re.sub(r":\w+}", "}", path)) for method, path in RULES}

    assert ROUTES | {("POST", "/leads")} == set(RULES)
    assert described <= plain


def test_route_without_a_rule_answers_nobody(
    admin: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(RULES, ("GET", "/customers"))

    assert admin.get("/customers").status_code == 403


def test_without_a_key_nothing_is_answered_but_health_and_sign_in(client_as: As) -> None:
    stranger = client_as("", key="")

    for (method, path), rule in RULES.items():
        answer = stranger.request(method, re.sub(r"{[^}]*}", "x", path), headers=JSON_ALONE)
        if rule.roles:
            assert answer.status_code == 401, (method, path)
            assert answer.headers["www-authenticate"].startswith("Bearer")
        else:
            assert answer.status_code != 401, (method, path)


@pytest.mark.parametrize("role", list(Role))
def test_role_opens_what_its_rules_say_and_nothing_else(client_as: As, role: Role) -> None:
    client = client_as(role.value)

    for (method, path), rule in RULES.items():
        if rule.roles and role not in rule.roles:
            answer = client.request(method, re.sub(r"{[^}]*}", "x", path))
            assert answer.status_code == 403, (method, path)


NO_KEYS = [
    "",
    "Bearer",
    "Bearer nonsense",
    "Bearer lbk_000000000000_" + "A" * 43,
    "Basic bGJrOmxiaw==",
    "Bearer lbk_000000000000_" + "A" * 5000,
]


def test_what_is_no_key_is_401(client_as: As) -> None:
    stranger = client_as("", key="")

    for method, path in (("GET", "/customers"), ("POST", "/leads")):
        for authorization in NO_KEYS:
            headers = {"authorization": authorization}
            answer = stranger.request(method, path, headers=headers, content=b"[]")
            assert answer.status_code == 401, (path, authorization[:30])


def test_key_with_another_secret_is_401(admin: httpx.Client, client_as: As) -> None:
    known = admin.headers["authorization"].removeprefix("Bearer ")
    guess = known[:-1] + ("A" if known[-1] != "A" else "B")

    assert client_as("", key=guess).get("/customers").status_code == 401
    assert post(client_as("", key=guess), []).status_code == 401


def test_refusal_says_nothing_of_the_key(client_as: As) -> None:
    key = Token.new().text

    answer = client_as("", key=key).get("/customers")

    assert key not in answer.text
    assert key.split("_")[1] not in answer.text


def test_documentation_is_open_and_holds_no_data(client_as: As) -> None:
    stranger = client_as("", key="")

    assert stranger.get("/docs").status_code == 200
    assert stranger.get("/openapi.json").status_code == 200
    assert stranger.get("/static/console.css").status_code == 200


def test_open_access_is_for_this_machine_by_one_of_its_own_names(
    gateway: httpx.Client,
) -> None:
    rebound = gateway.get("/customers", headers={"host": "evil.example:80"})
    posted = gateway.post("/leads", content=b"[]", headers=JSON | {"host": "evil.example"})

    assert gateway.get("/customers").status_code == 200
    assert (rebound.status_code, posted.status_code) == (401, 401)
    with pytest.raises(Unauthenticated):
        authenticator().authenticate(None, "192.0.2.7", "localhost")


@pytest.mark.parametrize("name", ["AWS_LAMBDA_FUNCTION_NAME", "ECS_CONTAINER_METADATA_URI_V4"])
def test_what_is_deployed_refuses_to_start_open(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "set by AWS")
    settings.cache_clear()

    with pytest.raises(ValueError, match="never for what is deployed"):
        settings()
    settings.cache_clear()


# --- keys themselves


def test_key_is_shown_once_and_stored_as_a_hash(admin: httpx.Client) -> None:
    made = admin.post("/keys", json={"name": " Billing  ", "role": "viewer"})

    key = made.json()["key"]
    secret = key.split("_", 2)[2]
    with get_engine().connect() as connection:
        stored = connection.execute(text("select api_keys::text from api_keys")).scalars().all()
    assert made.headers["cache-control"] == "no-store"
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


# --- the cache of keys and the rate limit, by the clock


TOKEN = Token.new()
HOLDER = Principal(TOKEN.key_id, "a test", Role.INGEST)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_known_key_costs_no_look_until_its_time_is_over() -> None:
    looks: list[str] = []

    def find(key_id: str) -> CachedKey:
        looks.append(key_id)
        return CachedKey(HOLDER, TOKEN.hash, None)

    clock = Clock()
    ring = ApiKeyCache(find, 30, clock)

    for clock.now in (0.0, 10.0, 29.9, 30.0):
        assert ring.authenticate(TOKEN) == HOLDER

    assert len(looks) == 2


def test_key_is_trusted_on_while_the_database_is_away_for_an_hour() -> None:
    found: list[CachedKey | None] = [CachedKey(HOLDER, TOKEN.hash, None)]

    def find(_key_id: str) -> CachedKey | None:
        if not found:
            raise DatabaseUnavailable("away")
        return found[0]

    clock = Clock()
    ring = ApiKeyCache(find, 30, clock)
    ring.authenticate(TOKEN)
    found.clear()

    clock.now = 3599.0
    assert ring.authenticate(TOKEN) == HOLDER
    with pytest.raises(Unauthenticated):
        ring.authenticate(Token(TOKEN.key_id, TOKEN.text + "x"))
    with pytest.raises(DatabaseUnavailable):
        ring.authenticate(Token.new())
    clock.now = 3601.0
    with pytest.raises(DatabaseUnavailable):
        ring.authenticate(TOKEN)


def test_key_may_make_so_many_requests_a_second_and_twice_as_many_at_once() -> None:
    clock = Clock()
    limit = RateLimit(10, clock)

    def taken(times: int) -> int:
        count = 0
        for _ in range(times):
            try:
                limit.take("one")
            except TooManyRequests:
                continue
            count += 1
        return count

    assert taken(50) == 20
    clock.now = 1.0
    assert taken(50) == 10
    limit.take("another")


def test_over_its_limit_a_key_is_429_in_both_parts(
    client_as: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_as("admin")
    monkeypatch.setenv("RATE_LIMIT_PER_SECOND", "1")
    authenticator.cache_clear()

    read = [client.get("/customers").status_code for _ in range(4)]
    authenticator.cache_clear()
    sent = [post(client, []).status_code for _ in range(4)]

    assert read[:2] == [200, 200]
    assert 429 in read[2:]
    assert sent[:2] == [400, 400]
    assert 429 in sent[2:]


# --- one customer's key


OTHERS = ("beta", "bcd", "beta-april", "beta-may", "beta-stray", "beta-april@people.test")


def test_customers_viewer_sees_its_own_and_nothing_of_others(
    two: httpx.Client, client_as: As
) -> None:
    viewer = client_as("viewer", "acme")
    addresses = [
        "/leads",
        "/leads/quarantined",
        "/leads/acme-april",
        "/billing/reports",
        "/billing/reports?status=final",
        "/billing/reports/acme/2024-04",
        "/billing/reports/acme/2024-05",
        "/billing/reports/acme/2024-04.csv",
        "/billing/reports/acme/2024-05.html",
        "/billing/reports/acme/2024-04/verify",
        "/billing/runs",
        "/billing/reconciliation",
        "/rate-cards",
        "/customers",
        "/products",
        "/",
        "/console/reports",
        "/console/leads",
        "/console/lead?id=acme-april",
        "/console/quarantine",
        "/console/disputes",
        "/console/runs",
        "/console/customers",
        "/console/products",
        "/console/rate-cards",
    ]

    answers = {address: viewer.get(address) for address in addresses}

    for address, answer in answers.items():
        assert answer.status_code == 200, (address, answer.text)
        assert not any(f'"{name}"' in answer.text for name in OTHERS), address
        assert "Only beta" not in answer.text, address
        assert "The beta" not in answer.text, address
        assert "beta-" not in answer.text, address
    assert [each["lead_id"] for each in answers["/leads"].json()["data"]] == [
        "acme-april",
        "acme-may",
    ] or len(answers["/leads"].json()["data"]) == 2
    assert [each["customer_id"] for each in answers["/customers"].json()["data"]] == ["acme"]
    assert [each["product_id"] for each in answers["/products"].json()["data"]] == ["abc"]
    assert answers["/billing/reports"].json()["totals"]["gross"] == "20.00"
    assert answers["/billing/reconciliation"].json()["actions"] == 2


@pytest.mark.parametrize(
    ("theirs", "nobodys"),
    [
        ("/leads/beta-april", "/leads/no-such-lead"),
        ("/billing/reports/beta/2024-04", "/billing/reports/nobody/2024-04"),
        ("/billing/reports/beta/2024-04.csv", "/billing/reports/nobody/2024-04.csv"),
        ("/billing/reports/beta/2024-04/verify", "/billing/reports/nobody/2024-04/verify"),
        ("/billing/reconciliation?customer_id=beta", "/billing/reconciliation?customer_id=nobody"),
    ],
)
def test_what_is_anothers_is_answered_like_what_is_not_there(
    two: httpx.Client, client_as: As, theirs: str, nobodys: str
) -> None:
    viewer = client_as("viewer", "acme")

    other, none = viewer.get(theirs), viewer.get(nobodys)

    names = {"beta-april": "no-such-lead", "beta": "nobody"}
    told = other.text
    for name, instead in names.items():
        told = told.replace(name, instead)
    assert (other.status_code, none.status_code) == (404, 404)
    assert without(json.loads(told), "correlation_id") == without(none.json(), "correlation_id")


def test_lists_asked_for_another_customer_are_empty(two: httpx.Client, client_as: As) -> None:
    viewer = client_as("viewer", "acme")

    for address in ("/leads", "/billing/reports", "/rate-cards"):
        answer = viewer.get(address, params={"customer_id": "beta"})
        assert answer.status_code in {200, 404}
        assert answer.json().get("data", []) == [], address
    assert viewer.get("/leads", params={"user": "beta-april@people.test"}).json()["data"] == []


def test_cursor_of_a_wider_key_widens_nothing(two: httpx.Client, client_as: As) -> None:
    viewer = client_as("viewer", "acme")

    for address in ("/leads", "/customers", "/products", "/billing/reports", "/billing/runs"):
        cursor = two.get(address, params={"limit": 1}).json()["next_cursor"]
        if cursor is not None:
            answer = viewer.get(address, params={"cursor": cursor})
            assert answer.status_code == 200
            assert "beta" not in answer.text, address


def test_runs_count_only_the_customers_own(two: httpx.Client, client_as: As) -> None:
    run = client_as("viewer", "acme").get("/billing/runs").json()["data"][0]
    whole = two.get("/billing/runs").json()["data"][0]

    assert (whole["closed"], whole["due"]) == (2, "20.00")
    assert (run["closed"], run["already_closed"], run["failed"], run["due"]) == (1, 0, 0, "10.00")


def test_simulation_is_of_the_customer_alone(two: httpx.Client, client_as: As) -> None:
    viewer = client_as("viewer", "acme")
    card = {
        "name": "Dearer",
        "currency": "USD",
        "rates": [
            {"engagement_level": level, "amount": "20.00"} for level in ("High", "Medium", "Low")
        ],
        "cap": {"amount": "100.00", "scope": "user"},
        "duplicates_charged_for": [],
    }
    body = {"period": "2024-05", "rate_card": card}

    whole = viewer.post("/billing/simulations", json=body)
    other = viewer.post("/billing/simulations", json=body | {"customer_id": "beta"})
    nobody = viewer.post("/billing/simulations", json=body | {"customer_id": "nobody"})

    assert [each["customer_id"] for each in whole.json()["customers"]] == ["acme"]
    assert without(other.json(), "correlation_id") == without(nobody.json(), "correlation_id")


def test_customers_sender_stores_its_own_and_each_other_lead_is_refused(
    two: httpx.Client, client_as: As
) -> None:
    sender = client_as("ingest", "acme")

    answer = post(
        sender,
        [
            lead("new-1", action()),
            lead("new-2", action(), customer_id="beta"),
            lead("new-3", action(), customer_id="nobody"),
        ],
    )
    single = post(sender, lead("new-2", customer_id="beta"))

    assert (answer.status_code, single.status_code) == (207, 422)
    assert [each["status"] for each in answer.json()["results"]] == [
        "created",
        "invalid",
        "invalid",
    ]
    assert refusals(answer) == [
        ("/1/customer_id", "foreign_customer"),
        ("/2/customer_id", "foreign_customer"),
    ]
    assert two.get("/leads/new-2").status_code == 404


FORMS_OF_IDS = (
    "beta-april",
    "11111111-2222-4333-8444-555555555555",
    "AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE",
    "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee",
    "e\u0301",
    " beta ",
)


def test_key_of_a_customer_neither_takes_nor_finds_out_the_ids_of_another(
    two: httpx.Client, client_as: As
) -> None:
    of_beta = {"customer_id": "beta", "product_id": "bcd"}
    post(two, [lead(form, action(), **of_beta) for form in FORMS_OF_IDS])
    ours = [str(lead_id(customer_id("beta"), form)) for form in FORMS_OF_IDS]
    before = [two.get(path_of("leads", key)).json() for key in ours]
    sender, viewer = client_as("ingest", "acme"), client_as("viewer", "acme")

    unseen = [viewer.get(path_of("leads", form)) for form in (*FORMS_OF_IDS, *ours)]
    taken = post(sender, [lead(form, lead_type="Webinar") for form in (*FORMS_OF_IDS, *ours)])
    seen = [viewer.get(path_of("leads", form)).json() for form in (*FORMS_OF_IDS, *ours)]

    assert {answer.status_code for answer in unseen} == {404}
    assert statuses(taken) == ["created"] * 12
    assert {(each["customer_id"], each["lead_type"]) for each in seen} == {("acme", "Webinar")}
    for key, stored in zip(ours, before, strict=True):
        answer = two.get(path_of("leads", key), params={"customer_id": "beta"})
        assert answer.json() == stored


def test_lead_of_two_customers_is_asked_for_with_its_customer(
    two: httpx.Client, client_as: As
) -> None:
    post(two, [lead("both"), lead("both", customer_id="beta", product_id="bcd")])
    dispute = {"lead_id": "both", "reason": "spam"}

    ambiguous = two.get("/leads/both")
    of_two = [two.get("/leads/both", params={"customer_id": name}) for name in ("acme", "beta")]
    disputed = two.post("/billing/disputes", json=dispute)
    disputed_of_one = two.post("/billing/disputes", json=dispute | {"customer_id": "acme"})

    assert [answer.json()["customer_id"] for answer in of_two] == ["acme", "beta"]
    for answer, pointer in ((ambiguous, "/query/customer_id"), (disputed, "/customer_id")):
        assert answer.status_code == 409
        (error,) = answer.json()["errors"]
        assert (error["code"], error["pointer"]) == ("ambiguous_lead_id", pointer)
    assert disputed_of_one.json()["errors"][0]["code"] == "line_not_final"
    assert client_as("viewer", "acme").get("/leads/both").json()["customer_id"] == "acme"


def test_senders_key_reads_nothing_and_a_viewers_sends_nothing(
    two: httpx.Client, client_as: As
) -> None:
    assert client_as("ingest", "acme").get("/leads").status_code == 403
    assert post(client_as("viewer", "acme"), lead("new-1")).status_code == 403


def test_database_shows_a_customers_rows_alone_whatever_is_asked(two: httpx.Client) -> None:
    with transaction() as session:
        acme = session.scalar(text("select customer_id from customers where name = 'The acme'"))

    with (
        in_role("lead_billing_service"),
        acting_as("a test", acme),
        snapshot() as session,
    ):
        seen = {
            table: session.scalar(text(f"select count(*) from {table}"))
            for table in ("customers", "leads", "actions", "billing_reports", "quarantined_leads")
        }
        lines = session.scalar(text("select count(*) from billing_report_lines"))

    assert seen == {
        "customers": 1,
        "leads": 2,
        "actions": 2,
        "billing_reports": 1,
        "quarantined_leads": 1,
    }
    assert lines == 1


def test_users_are_unmasked_for_admins_alone(two: httpx.Client, client_as: As) -> None:
    address = "/billing/reports/acme/2024-04.csv"

    masked = client_as("viewer", "acme").get(address)
    refused = client_as("viewer", "acme").get(address, params={"unmasked": "true"})

    assert "a***@people.test" in masked.text
    assert "acme-april@people.test" not in masked.text
    assert refused.status_code == 403
    assert "acme-april@people.test" in two.get(address, params={"unmasked": "true"}).text


def test_customers_viewer_sees_its_own_disputes_alone(two: httpx.Client, client_as: As) -> None:
    opened = {
        customer: two.post(
            "/billing/disputes", json={"lead_id": f"{customer}-april", "reason": "spam"}
        ).json()["dispute_id"]
        for customer in ("acme", "beta")
    }
    two.post(f"/billing/disputes/{opened['acme']}/accept").raise_for_status()
    viewer = client_as("viewer", "acme")

    listed = viewer.get("/billing/disputes").json()["data"]

    assert [each["dispute_id"] for each in listed] == [opened["acme"]]
    assert viewer.get(f"/billing/disputes/{opened['acme']}").status_code == 200
    assert viewer.get(f"/billing/disputes/{opened['beta']}").status_code == 404
    decided = entries(two, subject="dispute", action="decided")[0]
    assert (decided["before"]["status"], decided["after"]["status"]) == ("open", "accepted")


# --- the audit


def entries(admin: httpx.Client, **query: Any) -> list[Wire]:
    found: list[Wire] = admin.get("/audit", params=query).json()["data"]
    return found


def test_every_change_leaves_who_what_before_and_after(two: httpx.Client) -> None:
    entry = {"name": "Acme", "email": "new.address@acme.test"}
    two.put("/customers/acme", json=entry).raise_for_status()
    key = two.post("/keys", json={"name": "feed", "role": "ingest"}).json()
    two.post(f"/keys/{key['key_id']}/revoke").raise_for_status()

    changed = entries(two, subject="customer", action="changed")[0]
    made, ended = reversed(entries(two, subject_id=key["key_id"]))
    kinds = {(each["subject"], each["action"]) for each in entries(two, limit=500)}

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
    card = entries(two, subject="rate_card")[0]["after"]
    assert (card["customer_id"], len(card["rates"])) == ("beta", 3)
    report = entries(two, subject="report")[0]["after"]
    assert report["customer_id"] in {"acme", "beta"}
    assert len(report["content_hash"]) == 64


def test_what_changes_nothing_leaves_no_entry(two: httpx.Client) -> None:
    before = len(entries(two, limit=500))

    two.put("/products/abc", json={"name": "abc"}).raise_for_status()
    two.post("/billing/periods/2024-04/close", json={}).raise_for_status()
    post(two, lead("acme-april", action()))

    assert len(entries(two, limit=500)) == before


def test_change_that_fails_leaves_no_entry(admin: httpx.Client) -> None:
    admin.put("/customers/acme", json={"name": "Acme", "email": "a@acme.test"})
    before = len(entries(admin))

    answer = admin.put("/customers/beta", json={"name": "Beta", "email": "a@acme.test"})

    assert answer.status_code == 409
    assert len(entries(admin)) == before


def test_replay_is_audited_without_the_person(two: httpx.Client) -> None:
    two.put("/products/nowhere", json={"name": "Now here"}).raise_for_status()
    held = two.get("/leads/quarantined").json()["data"][0]
    two.post(f"/leads/quarantined/{held['quarantine_id']}/replay").raise_for_status()

    (entry,) = entries(two, subject="quarantined_lead")

    assert entry["action"] == "replayed"
    assert "people.test" not in two.get("/audit", params={"limit": 500}).text


def test_audit_is_filtered_and_paged(two: httpx.Client) -> None:
    everything = entries(two, limit=500)

    paged: list[Wire] = []
    cursor = ""
    while cursor is not None:
        query = {"limit": "3"} | ({"cursor": cursor} if cursor else {})
        page = two.get("/audit", params=query).json()
        paged += page["data"]
        cursor = page["next_cursor"]

    assert paged == everything
    assert entries(two, actor="the admin", limit=500)[0]["actor"].endswith("(the admin)")
    assert entries(two, actor="%") == []
    assert entries(two, to="2020-01-01") == []
    assert {each["subject"] for each in entries(two, subject="product")} == {"product"}


# --- the database roles


@pytest.fixture
def filled(two: httpx.Client, configured_database: str) -> Iterator[Engine]:
    engine = create_engine(configured_database)
    yield engine
    engine.dispose()


FUNCTION_MAY_NOT = [
    "select * from billing_reports",
    "update billing_reports set due_cents = 0",
    "select * from billing_report_lines",
    "insert into billing_report_line_blocks (first_line) values (1)",
    "select user_email from leads",
    "update leads set customer_id = customer_id",
    "delete from leads",
    "delete from actions",
    "update actions set engagement_level = 'Low'",
    "select lead from quarantined_leads",
    "update quarantined_leads set replayed_at = now()",
    "insert into customers (customer_id, external_id, name, email)"
    " values (gen_random_uuid(), 'x', 'x', 'x')",
    "update customers set name = 'x'",
    "select * from rate_cards",
    "insert into api_keys (key_id) values ('x')",
    "update api_keys set role = 'admin'",
    "select * from audit_log",
    "insert into audit_log (action, subject, subject_id) values ('x', 'x', 'x')",
    "select erase_users(null, null, null, null, null)",
    "insert into erased_users (customer_id, user_key)"
    " values (gen_random_uuid(), gen_random_uuid())",
]
SERVICE_MAY_NOT = [
    "update leads set customer_id = customer_id",
    "update leads set user_email = null",
    "delete from leads",
    "update actions set engagement_level = 'Low'",
    "delete from actions",
    "update billing_reports set due_cents = 0",
    "delete from billing_reports",
    "update billing_report_line_blocks set billed_cents = '{0}'",
    "delete from billing_report_line_blocks",
    "truncate billing_report_line_blocks",
    "update rate_cards set cap_cents = 1",
    "update rate_card_rates set amount_cents = 1",
    "delete from customers",
    "update customers set customer_id = gen_random_uuid()",
    "update api_keys set secret_hash = sha256('')",
    "delete from api_keys",
    "update api_keys set role = 'admin'",
    "insert into audit_log (actor, action, subject, subject_id) values ('x', 'x', 'x', 'x')",
    "insert into audit_log (database_user, action, subject, subject_id)"
    " values ('x', 'x', 'x', 'x')",
    "update audit_log set actor = 'x'",
    "delete from audit_log",
    "truncate audit_log",
    "insert into lead_types values ('x')",
    "delete from erased_users",
    "update quarantined_leads set lead = '{}'",
    "update disputes set opened_by = 'x'",
    "update billing_runs set actor = 'x'",
    "alter table leads disable trigger all",
    "drop table leads",
    "create table mine (x int)",
]


def refused_as(engine: Engine, role: str, statement: str) -> str:
    """The words in which PostgreSQL refuses a statement of that role; empty where it does not."""
    with engine.connect() as connection:
        connection.exec_driver_sql(f"set role {role}")
        try:
            connection.exec_driver_sql(statement)
        except Exception as error:
            return str(error)
        return ""


@pytest.mark.parametrize(
    ("role", "statements"),
    [("lead_billing_function", FUNCTION_MAY_NOT), ("lead_billing_service", SERVICE_MAY_NOT)],
)
def test_role_may_not_do_what_is_not_its_part(
    filled: Engine, role: str, statements: list[str]
) -> None:
    for statement in statements:
        words = refused_as(filled, role, statement)
        assert "permission denied" in words or "must be owner" in words, (statement, words)


@pytest.mark.parametrize("role", ["lead_billing_function", "lead_billing_service"])
def test_no_role_changes_a_stored_lead_by_its_key_either(filled: Engine, role: str) -> None:
    words = refused_as(filled, role, "update leads set lead_id = gen_random_uuid()")

    assert "a stored lead is never changed" in words


def test_not_even_the_owner_changes_or_deletes_audit_entries(filled: Engine) -> None:
    for statement in (
        "update audit_log set actor = 'x'",
        "delete from audit_log",
        "truncate audit_log",
    ):
        words = refused_as(filled, "postgres", statement)
        assert "audit entries are never changed or deleted" in words


def test_roles_own_nothing_and_bypass_nothing(filled: Engine) -> None:
    with filled.connect() as connection:
        owned = connection.scalar(
            text(
                "select count(*) from pg_class join pg_roles on relowner = pg_roles.oid"
                " where rolname like 'lead_billing_%'"
            )
        )
        mighty = connection.scalar(
            text(
                "select count(*) from pg_roles where rolname like 'lead_billing_%'"
                " and (rolsuper or rolcreaterole or rolcreatedb or rolbypassrls)"
            )
        )
        unprotected = connection.scalars(
            text(
                "select relname from pg_class where relkind = 'r' and not relrowsecurity"
                " and relnamespace = 'public'::regnamespace"
            )
        ).all()

    assert (owned, mighty, unprotected) == (0, 0, [])


def test_customers_role_sees_nothing_until_it_is_told_whose(filled: Engine) -> None:
    with filled.connect() as connection:
        connection.exec_driver_sql("set role lead_billing_customer")
        assert connection.exec_driver_sql("select * from leads").all() == []
        assert connection.exec_driver_sql("select * from customers").all() == []


@pytest.mark.usefixtures("configured_database")
def test_migrated_by_no_superuser_each_part_signs_in_with_its_own_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on RDS, whose master may create roles and is no superuser."""

    def sign_in_as(role: str, password: str) -> None:
        url = server.set(username=role, password=password, database="lead_billing")
        monkeypatch.setenv("DATABASE_URL", url.render_as_string(hide_password=False))
        for cached in (settings, authenticator, get_engine):
            cached.cache_clear()

    with EmbeddedPostgres(tmp_path, durable=False) as address:
        server = make_url(address)
        superuser = create_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with superuser.connect() as connection:
            connection.exec_driver_sql("create role master login createrole password 'master-key'")
            connection.exec_driver_sql("create database lead_billing owner master")
        for passwords in (("first-f", "first-s"), ("second-f", "second-s")):
            monkeypatch.setenv("FUNCTION_PASSWORD", passwords[0])
            monkeypatch.setenv("SERVICE_PASSWORD", passwords[1])
            sign_in_as("master", "master-key")
            upgrade_configured_database()

        sign_in_as("lead_billing_service", "second-s")
        with acting_as("a test"), transaction() as session:
            register_customer(session, "acme", "Acme", "a@acme.test", None)
            register_product(session, "abc", "abc", None)
        sign_in_as("lead_billing_function", "second-f")
        context = LambdaContext(aws_request_id="aws-1")
        sent = handler(event(json.dumps(lead("l1", action()))), context)
        for other in ("lead_billing_service", "lead_billing_customer", "master"):
            with pytest.raises(StatementRefused), transaction() as session:
                session.execute(text(f"set role {other}"))
        sign_in_as("lead_billing_service", "second-s")
        with acting_as("a test", customer_id("acme")), snapshot() as session:
            seen = session.execute(
                text("select session_user, current_user, count(*) from leads group by 1, 2")
            ).one()
        sign_in_as("lead_billing_function", "first-f")
        with pytest.raises(DatabaseUnavailable), transaction():
            pass

    assert sent["statusCode"] == 201
    assert tuple(seen) == ("lead_billing_service", "lead_billing_customer", 1)


def test_the_parts_work_in_their_roles(two: httpx.Client) -> None:
    with in_role("lead_billing_function"), transaction() as session:
        assert session.scalar(text("select current_user")) == "lead_billing_function"


# --- the console's sessions


PAGE = {"accept": "text/html"}


def sign_in(client: httpx.Client, key: str, next_page: str = "") -> httpx.Response:
    return client.post(
        "/console/sign-in",
        content=urlencode({"key": key, "next": next_page}),
        headers={"content-type": "application/x-www-form-urlencoded"},
    )


def test_console_signs_in_with_a_key_and_out_again(admin: httpx.Client, client_as: As) -> None:
    key = admin.headers["authorization"].removeprefix("Bearer ")
    browser = client_as("", key="")

    sent_away = browser.get("/console/leads?limit=1", headers=PAGE)
    wrong = sign_in(browser, "lbk_wrong")
    signed_in = sign_in(browser, key, "console/leads")
    shown = browser.get("/console/leads", headers=PAGE)
    cookie = signed_in.headers["set-cookie"]

    assert sent_away.status_code == 303
    assert "console/sign-in?next=console%2Fleads" in sent_away.headers["location"]
    assert wrong.status_code == 401
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, "../console/leads")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert key.split("_", 2)[2] not in cookie
    assert (shown.status_code, "the admin" in shown.text) == (200, True)
    browser.post("/console/sign-out")
    assert browser.get("/console/leads", headers=PAGE).status_code == 303


@pytest.mark.parametrize("customer", [None, "customer-123"], ids=["of all", "of one customer"])
def test_pages_offer_a_viewer_nothing_that_is_refused(
    admin: httpx.Client, client_as: As, customer: str | None
) -> None:
    fill(admin, leads=40)
    viewer = client_as("viewer", customer)
    waiting, seen = [str(viewer.base_url)], set()

    while waiting:
        address = waiting.pop()
        parts = urlsplit(address)
        kind = parts.path if parts.path.startswith("/console/") else parts.path.rpartition(".")[2]
        if (kind, *parse_qs(parts.query)) in seen:
            continue
        seen.add((kind, *parse_qs(parts.query)))
        page = viewer.get(address, headers=PAGE)

        assert page.status_code == 200, address
        if page.headers["content-type"].startswith("text/html") and kind != "/docs":
            found = re.findall(r'<a [^>]*href="([^"#]+)', page.text)
            waiting += [urljoin(address, unescape(link)) for link in found]
            for target in re.findall(r'<form [^>]*action="([^"]+)" method="post"', page.text):
                rule = RULES["POST", urlsplit(urljoin(address, target)).path]
                assert not rule.roles or Role.VIEWER in rule.roles, (address, target)

    assert {"/console/lead", "/console/quarantine", "/console/rate-card", "/console/run"} <= {
        kind for kind, *_ in seen
    }
    assert any(kind == "/console/dispute" for kind, *_ in seen) == (customer is None)


def test_session_that_has_ended_says_so(
    admin: httpx.Client, client_as: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = client_as("", key="")
    sign_in(browser, admin.headers["authorization"].removeprefix("Bearer "))
    later = time.time() + settings().session_idle_minutes * 60 + 1
    monkeypatch.setattr("services.reports.http.sessions.time.time", lambda: later)

    sent_away = browser.get("/console/leads?user=ann", headers=PAGE)
    shown = browser.get(sent_away.headers["location"].removeprefix(".."), headers=PAGE)
    refused = browser.post("/console/product", data={"id": "abc", "name": "ABC"}, headers=PAGE)

    assert "Your session has ended." in shown.text
    assert 'name="next" value="console/leads?user=ann"' in shown.text
    assert (refused.status_code, "Nothing was saved." in refused.text) == (401, True)
    assert "session has ended" not in client_as("", key="").get("/console/sign-in").text


def test_page_of_another_site_cannot_post_in_a_signed_in_browser(
    admin: httpx.Client, client_as: As
) -> None:
    browser = client_as("", key="")
    sign_in(browser, admin.headers["authorization"].removeprefix("Bearer "))
    form = {"seen": "", "id": "abc", "name": "ABC"}

    for origin in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}):
        assert browser.post("/console/product", data=form, headers=origin).status_code == 403
    own = {"sec-fetch-site": "same-origin"}
    assert browser.post("/console/product", data=form, headers=own).status_code != 403


def test_session_cookie_is_secure_off_this_machine(admin: httpx.Client) -> None:
    key = admin.headers["authorization"].removeprefix("Bearer ")
    admin.headers["host"] = "billing.example"

    assert "Secure" in sign_in(admin, key).headers["set-cookie"]


def test_session_ends_with_its_key(admin: httpx.Client, client_as: As) -> None:
    made = admin.post("/keys", json={"name": "ann", "role": "viewer"}).json()
    browser = client_as("", key="")
    sign_in(browser, made["key"])
    assert browser.get("/console/reports").status_code == 200

    admin.post(f"/keys/{made['key_id']}/revoke").raise_for_status()
    time.sleep(1.1)

    assert browser.get("/billing/reports").status_code == 401


def test_session_that_is_idle_too_old_or_tampered_with_is_none() -> None:
    now = 1_700_000_000
    idle = settings().session_idle_minutes * 60
    text_of = Session("0123456789ab", now, now).text()

    assert Session.read(text_of, now + idle) is not None
    assert Session.read(text_of, now + idle + 1) is None
    kept_alive = Session("0123456789ab", now - MAX_SECONDS - 1, now).text()
    assert Session.read(kept_alive, now) is None
    assert Session.read(text_of.replace("0123456789ab", "ba9876543210"), now) is None
    assert Session.read(text_of[:-1] + ("0" if text_of[-1] != "0" else "1"), now) is None


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "\\\\evil"])
def test_signing_in_leads_to_no_other_site(admin: httpx.Client, elsewhere: str) -> None:
    key = admin.headers["authorization"].removeprefix("Bearer ")

    target = sign_in(admin, key, elsewhere).headers["location"]

    assert urljoin("http://ours.test/console/sign-in", target).startswith("http://ours.test/")


@pytest.mark.parametrize("over", ["the database", "the API"])
def test_keys_are_made_listed_rotated_and_ended_by_command(
    admin: httpx.Client,
    client_as: As,
    over: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    api = ["--api", str(admin.base_url)] if over == "the API" else []
    monkeypatch.setenv("API_KEY", admin.headers["authorization"].removeprefix("Bearer "))

    def said(*arguments: str) -> str:
        monkeypatch.setattr("sys.argv", ["manage", *api, *arguments])
        scripts.manage.main()
        return capsys.readouterr().out

    def key_in(text: str) -> Token:
        found = re.search(r"^lbk_.*$", text, re.MULTILINE)
        token = found and Token.parse(found[0])
        assert token is not None, text
        return token

    made = key_in(said("key-create", "--name", "feed", "--role", "viewer"))
    listed = said("key-list")
    rotated = key_in(said("key-rotate", made.key_id, "--overlap-hours", "1"))
    ended = said("key-revoke", made.key_id)

    assert f"{made.key_id}  viewer  all customers  feed" in listed
    assert made.text not in listed
    assert ("(expiry: " if api else "(ended ") in ended
    assert client_as("", key=made.text).get("/leads").status_code == 401
    assert client_as("", key=rotated.text).get("/leads").status_code == 200


def test_keys_are_made_and_ended_in_the_console_and_the_audit_shows_it(
    admin: httpx.Client, client_as: As
) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    made = admin.post(
        "/console/keys", content="do=create&name=feed&role=viewer&customer_id=", headers=form
    )
    found = re.search(r"lbk_([0-9a-f]{12})_[A-Za-z0-9_-]{43}", made.text)
    assert found is not None

    works = client_as("", key=found[0]).get("/leads").status_code
    rotated = admin.post("/console/keys", content=f"do=rotate&key_id={found[1]}", headers=form)
    another = re.search(r"lbk_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", rotated.text)
    admin.post("/console/keys", content=f"do=revoke&key_id={found[1]}", headers=form)

    assert works == 200
    assert another is not None
    assert client_as("", key=another[0]).get("/leads").status_code == 200
    assert found[0] not in admin.get("/console/keys").text
    assert "ended" in admin.get("/console/audit").text
    assert client_as("viewer").get("/console/keys").status_code == 403
