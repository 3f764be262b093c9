"""Addresses, methods and bodies that the service refuses, and its health and description."""

from typing import Any

import httpx
import pytest

from common.version import VERSION


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/billing/reports/nobody/2024-04", 404),
        ("/billing/reports/acme/2024-13", 422),
        ("/billing/reports/acme/april", 422),
        ("/billing/reports/acme/2024-04.xls", 406),
        ("/billing/reports/acme/2024-04.", 406),
        ("/billing/reports/acme/2024-04?limit=0", 422),
        ("/billing/reports/acme/2024-04?limit=10001", 422),
        ("/billing/reports/acme/2024-04?cursor=x", 422),
        ("/nowhere", 404),
        ("/billing", 404),
        ("/leads/none/at/all", 404),
    ],
)
def test_refused_address_is_answered_by_a_problem(
    acme: httpx.Client, path: str, status: int
) -> None:
    assert acme.get(path).status_code == status


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/leads", "GET"),
        ("PUT", "/leads", "GET"),
        ("POST", "/billing/reports", "GET"),
        ("DELETE", "/leads/l1", "GET"),
        ("POST", "/health/live", "GET"),
        ("POST", "/customers", "GET"),
    ],
)
def test_method_that_is_not_for_an_address_is_405(
    acme: httpx.Client, method: str, path: str, allowed: str
) -> None:
    answer = acme.request(method, path)

    assert answer.status_code == 405
    assert allowed in answer.headers["allow"]


def test_method_that_an_address_of_ours_does_not_have_is_405(api: httpx.Client) -> None:
    """Also where it looks like one with an id, as `/quarantine/dismiss` does.

    `/leads/quarantined/replay` may also be a lead's.
    """
    described = api.get("/openapi.json").json()["paths"]
    addresses = [path for path in described if "{" not in path and path[:7] != "/leads/"]

    wrong = {
        (method, path): answer.status_code
        for path in addresses
        for method in {"get", "put", "post", "patch", "delete"} - described[path].keys()
        if (answer := api.request(method, path)).status_code != 405
    }

    assert len(addresses) > 20
    assert wrong == {}


def test_refused_method_is_answered_with_all_methods_of_the_address(api: httpx.Client) -> None:
    allowed = {
        path: api.request("OPTIONS", path).headers["allow"]
        for path in ("/leads", "/rate-cards", "/customers/acme", "/static/report.css")
    }

    assert allowed == {
        "/leads": "GET, HEAD, POST",
        "/rate-cards": "GET, HEAD, POST",
        "/customers/acme": "GET, HEAD, PUT",
        "/static/report.css": "GET, HEAD",
    }


@pytest.mark.parametrize("is_length_told", [True, False])
def test_body_over_the_limit_is_413(api: httpx.Client, is_length_told: bool) -> None:
    body = b"[" * (6 * 1024 * 1024 + 1)

    answer = api.put("/customers/acme", content=body if is_length_told else iter([body]))

    assert answer.status_code == 413


def test_errors_of_a_body_are_listed_up_to_a_hundred(api: httpx.Client) -> None:
    answer = api.post("/billing/periods/2024-04/close", json={"customer_ids": [""] * 1_000})

    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == 100


# --- health and description


def test_health_says_that_the_process_lives_and_can_work(api: httpx.Client) -> None:
    assert api.get("/health/live").json() == {"status": "live", "version": VERSION}
    assert api.get("/health/ready").json() == {"status": "ready"}


def test_process_lives_but_is_not_ready_behind_another_schema(
    api: httpx.Client, engine: Any
) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("update alembic_version set version_num = '0000'")

    answer = api.get("/health/ready")

    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:lead-billing:problem:not-ready"
    assert api.get("/health/live").status_code == 200


def test_openapi_describes_every_route(api: httpx.Client) -> None:
    description = api.get("/openapi.json").json()
    described = description["paths"]

    assert description["info"]["version"] == VERSION
    assert {"get", "post"} <= set(described["/leads"])
    assert {
        "/leads/{lead_id}",
        "/leads/quarantined",
        "/quarantine",
        "/billing/reports",
        "/billing/reports/{customer_id}/{period}",
        "/customers/{customer_id}",
        "/health/ready",
    } <= set(described)
