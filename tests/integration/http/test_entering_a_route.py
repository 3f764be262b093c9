"""How a request enters a route: its caller first, then its address, and only then its body."""

import time
import tracemalloc

import httpx
import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from common.json_reader import read_json
from common.problems import TooLarge
from services.reports.app import app
from services.reports.http.routes import Route
from tests.support.api import JSON, lead, post, refusals

MAX_BODY_BYTES = 6 * 1024 * 1024
MAX_MEMBERS = 50
MAX_DEPTH = 32


def codes(answer: httpx.Response) -> list[tuple[str, str]]:
    return [(error["pointer"], error["code"]) for error in answer.json()["errors"]]


def test_every_route_of_ours_is_entered_in_order() -> None:
    routes = [context.original_route for context in iter_route_contexts(app.routes)]
    foreign = {
        route.path
        for route in routes
        if isinstance(route, APIRoute) and not isinstance(route, Route)
    }

    assert len(routes) > 60
    assert {path for path in foreign if not path.startswith(("/docs", "/openapi"))} == set()


@pytest.mark.parametrize(
    "address",
    [
        "/leads?customer=acme",
        "/leads/l1?customer=acme",
        "/quarantine?customer=acme",
        "/billing/reports?customer=acme",
        "/billing/reports/acme/2024-04?customer=acme",
        "/billing/reports/acme/2024-04.csv?customer=acme",
        "/billing/reports/acme/2024-04.csv?outcome=billed",
        "/billing/reports/acme/2024-04.html?customer=acme",
        "/billing/reports/acme/2024-04/lines?customer=acme",
        "/billing/runs?customer=acme",
        "/customers?customer=acme",
        "/health/live?customer=acme",
        "/console/leads?customer=acme",
    ],
)
def test_unknown_parameter_is_refused_by_name(acme: httpx.Client, address: str) -> None:
    answer = acme.get(address)

    assert answer.status_code == 422
    name = address.partition("?")[2].partition("=")[0]
    assert name in answer.text
    if "application/problem" in answer.headers["content-type"]:
        assert answer.json()["errors"][0]["pointer"] == f"/query/{name}"


def test_refusal_of_a_parameter_names_the_known_ones(acme: httpx.Client) -> None:
    (error,) = acme.get("/billing/reports?custmer_id=acme").json()["errors"]

    assert error == {
        "pointer": "/query/custmer_id",
        "code": "unknown_parameter",
        "detail": "is not known; known here: cursor, customer_id, from, limit, period, status, to",
    }


def test_parameter_that_stands_twice_is_refused(acme: httpx.Client) -> None:
    answer = acme.get("/leads?customer_id=acme&customer_id=beta")

    assert codes(answer) == [("/query/customer_id", "repeated_parameter")]


def test_posted_leads_take_no_parameter(acme: httpx.Client) -> None:
    answer = acme.post("/leads?customer=acme", json=lead())

    assert answer.status_code == 422
    assert codes(answer) == [("/query/customer", "unknown_parameter")]


def test_body_of_an_unknown_caller_is_not_read(acme: httpx.Client) -> None:
    stranger = JSON | {"authorization": "Bearer lbk_no_key"}
    for body in (b"{", b"[" * (MAX_BODY_BYTES + 1)):
        answer = acme.put("/customers/acme", content=body, headers=stranger)

        assert answer.status_code == 401


MANY = b"{" + b",".join(b'"%d":0' % number for number in range(MAX_MEMBERS + 1)) + b"}"
VERY_MANY = b"{" + b",".join(b'"%d":0' % number for number in range(150_000)) + b"}"
DEEP = b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1)
LISTS = b"[" + b"[]," * 199_999 + b"[]]"


@pytest.mark.parametrize("address", ["/leads", "/billing/simulations"])
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (MANY, 413),
        (VERY_MANY, 413),
        (LISTS, 413),
        (b"[" * 100_000, 413),
        (DEEP, 413),
        (b"{", 400),
        (b'{"a": NaN}', 400),
        (b'"\xff"', 400),
    ],
    ids=["members", "very many", "lists", "without end", "depth", "cut", "constant", "bytes"],
)
def test_function_and_service_read_json_alike(
    acme: httpx.Client, address: str, body: bytes, status: int
) -> None:
    assert acme.post(address, content=body, headers=JSON).status_code == status


@pytest.mark.parametrize(
    "body",
    [
        VERY_MANY,
        b"[" + b"[]," * 2_000_000 + b"[]]",
        b"[" + b"{}," * 2_000_000 + b"{}]",
        b"[" + b'{"a":{}},' * 650_000 + b"{}]",
        b"[" * 6_000_000,
    ],
    ids=["members", "lists", "objects", "nested", "without end"],
)
def test_what_is_over_a_limit_is_refused_at_little_cost(body: bytes) -> None:
    began = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            read_json(body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 50_000_000
    assert time.process_time() - began < 5


def test_as_many_lists_as_allowed_are_read() -> None:
    assert len(read_json(LISTS.replace(b"[],", b"", 1))) == 199_999


def test_json_as_deep_as_allowed_is_read() -> None:
    deep = read_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)

    assert str(deep) == "[" * MAX_DEPTH + "]" * MAX_DEPTH


def test_whole_number_is_read_exactly_as_far_as_ours_go() -> None:
    assert read_json(b"[999999999999999999]") == [10**18 - 1]
    assert isinstance(read_json(b"[9999999999999999999]")[0], float)


def test_repeated_member_is_refused_in_both(acme: httpx.Client) -> None:
    body = b'{"name": "A", "name": "B", "email": "a@b.test"}'

    answer = acme.put("/customers/acme", content=body, headers=JSON)

    assert codes(answer) == [("/name", "repeated_field")]
    assert ("/lead_id", "repeated_field") in refusals(post(acme, b'{"lead_id":"1","lead_id":"2"}'))


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
def test_body_of_another_type_is_415(acme: httpx.Client, content_type: str) -> None:
    answer = acme.put(
        "/customers/acme", content=b'{"name": "A"}', headers={"content-type": content_type}
    )

    assert answer.status_code == 415


# --- filters


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("/leads?customer_id=nobody", "unknown_customer"),
        ("/leads?product_id=nothing", "unknown_product"),
        ("/leads?lead_type=Palm%20Reading", "unknown_lead_type"),
        ("/rate-cards?customer_id=nobody", "unknown_customer"),
        ("/billing/disputes?customer_id=nobody", "unknown_customer"),
        ("/billing/reconciliation?customer_id=nobody", "unknown_customer"),
        ("/billing/reports?customer_id=nobody", "unknown_customer"),
        ("/billing/reports/acme/2024-04/lines?product_id=nothing", "unknown_product"),
        ("/billing/reports/acme/2024-04/leads?lead_type=Palm%20Reading", "unknown_lead_type"),
    ],
)
def test_filter_that_names_what_is_not_registered_is_refused(
    acme: httpx.Client, address: str, code: str
) -> None:
    name = address.partition("?")[2].partition("=")[0]

    assert codes(acme.get(address)) == [(f"/query/{name}", code)]


@pytest.mark.parametrize("user", ["ann+1@people.test", "ann%2B1@people.test"])
def test_plus_in_a_user_is_a_plus(acme: httpx.Client, user: str) -> None:
    post(acme, lead("plus", user={"email": "ann+1@people.test"}))

    found = acme.get(f"/leads?user={user}").json()["data"]

    assert [entry["lead_id"] for entry in found] == ["plus"]


# --- HEAD, caches, and one of each


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/leads", 200),
        ("/customers/acme", 200),
        ("/customers/nobody", 404),
        ("/health/ready", 200),
        ("/openapi.json", 200),
        ("/billing/disputes/x/accept", 405),
    ],
)
def test_head_is_answered_as_get_without_the_body(
    acme: httpx.Client, address: str, status: int
) -> None:
    acme.event_hooks["response"].clear()
    head, get = acme.head(address), acme.get(address)

    assert (head.status_code, get.status_code) == (status, status)
    assert head.content == b""
    assert head.headers["content-type"] == get.headers["content-type"]


def test_what_belongs_to_a_caller_is_kept_in_no_cache(acme: httpx.Client) -> None:
    answers = [acme.get("/leads"), acme.get("/"), acme.get("/leads/none"), post(acme, lead())]

    for answer in answers:
        assert answer.headers["cache-control"] == "private, no-store"
        assert answer.headers["vary"] == "Accept, Authorization, Cookie"
    assert "cache-control" not in acme.get("/static/report.css").headers


def test_one_customer_one_product_and_the_lead_types_are_shown(acme: httpx.Client) -> None:
    listed = acme.get("/customers").json()["data"][0]

    assert acme.get("/customers/acme").json() == listed
    assert acme.get("/products/abc").json()["product_id"] == "abc"
    assert acme.get("/products/nothing").status_code == 404
    assert {"lead_type": "Webinar"} in acme.get("/lead-types").json()["data"]
