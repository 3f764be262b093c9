"""What an open server refuses: pages of other sites, and what a proxy passed on."""

import json

import httpx
import pytest

from tests.integration.access.conftest import As
from tests.support.api import JSON, action, lead, register

OURS = {"host": "ours.localhost"}
BODY = json.dumps(lead("lead-1", action())).encode()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "http://elsewhere.test"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site", "content-type": "text/plain"}, 403),
        ({"content-type": "text/plain"}, 403),
        ({"content-type": "Text/Plain; charset=utf-8"}, 403),
        ({"content-type": "application/x-www-form-urlencoded"}, 403),
        ({"content-type": "multipart/form-data; boundary=x"}, 403),
        ({"sec-fetch-site": "same-origin"}, 201),
        ({"origin": "http://ours.localhost"}, 201),
        ({"content-type": ""}, 201),
        ({}, 201),
    ],
)
def test_other_sites_cannot_send_leads(
    gateway: httpx.Client, headers: dict[str, str], status: int
) -> None:
    register(gateway)

    answer = gateway.post("/leads", content=BODY, headers=OURS | JSON | headers)

    assert answer.status_code == status
    assert len(gateway.get("/leads").json()["data"]) == (status == 201)
    if status == 403:
        assert answer.headers["content-type"] == "application/problem+json"


def test_browsers_come_back_by_https_off_this_machine(gateway: httpx.Client) -> None:
    name = "strict-transport-security"

    here = gateway.get("/health/live")
    behind = gateway.get("/health/live", headers={"host": "billing.example"})

    assert name not in here.headers
    assert behind.headers[name].startswith("max-age=31536000")


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "", "application/json"]
)
def test_sender_with_a_key_sends_leads_as_before(
    admin: httpx.Client, client_as: As, content_type: str
) -> None:
    register(admin)
    sender = client_as("ingest")

    answer = sender.post("/leads", content=BODY, headers={"content-type": content_type})

    assert answer.status_code == 201


@pytest.mark.parametrize(
    "headers",
    [
        {"x-forwarded-for": "127.0.0.1"},
        {"X-Forwarded-For": ""},
        {"X-Forwarded-Host": "localhost"},
        {"x-forwarded-proto": "https"},
        {"x-forwarded-anything": "x"},
        {"Forwarded": "for=127.0.0.1"},
        {"X-Real-IP": "127.0.0.1"},
        {"via": "1.1 proxy"},
    ],
)
def test_what_a_proxy_passed_on_needs_a_key(gateway: httpx.Client, headers: dict[str, str]) -> None:
    read = gateway.get("/customers", headers=headers)
    sent = gateway.post("/leads", content=BODY, headers=JSON | headers)
    counted = gateway.get("/metrics", headers=headers)

    assert (read.status_code, sent.status_code, counted.status_code) == (401, 401, 404)
    assert gateway.get("/customers").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://gateway.test", "x-forwarded-host": "gateway.test"},
        {"origin": "https://edge.test", "forwarded": "for=1.2.3.4;host=edge.test"},
    ],
)
def test_pages_behind_a_proxy_post_to_their_own_site_with_a_key(
    admin: httpx.Client, headers: dict[str, str]
) -> None:
    product = admin.put("/products/abc", json={"name": "ABC"}, headers=headers)
    foreign = admin.put(
        "/products/bcd", json={"name": "BCD"}, headers=headers | {"origin": "x://y"}
    )

    assert (product.status_code, foreign.status_code) == (201, 403)
