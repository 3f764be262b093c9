"""Every id that is accepted reaches every route that names it, and only its own."""

import httpx
import pytest

from services.reports.app import app
from tests.support.api import action, lead, path_of, post, register

IDS = [
    "a/b",
    "/",
    "//",
    "a//b/",
    "..",
    "../..",
    "./x",
    "a/../b",
    ".",
    "%",
    "%2F",
    "%252f",
    "100%",
    "a b",
    " a",
    "a+b",
    "a?b=c&d#e",
    "line\nend",
    "line\r\nend\n",
    "\n",
    "tab\t",
    "x.csv",
    "x.pdf",
    ".json",
    "2024-04",
    "x/2024-04",
    "x/2024-04/verify",
    "verify",
    "quarantined",
    "quarantined/replay",
    "replay",
    "x/replay",
    "x/void",
    "void",
    "x/erasures",
    "erasures",
    "Zo\u00eb \u6f22\u5b57 \U0001f4a1",
    "e\u0301",
    "\u202eabc",
    "\u200b",
    "'; drop table leads; --",
    '<img src=x onerror="alert(1)">',
    "{}",
    "[0]",
    "*",
    "\\",
    "~",
    ";a=b",
    "x" * 128,
]


@pytest.mark.parametrize("name", IDS)
def test_id_reaches_every_route(api: httpx.Client, name: str) -> None:
    register(api, customers={name: "UTC", "other": "UTC"})
    api.put(path_of("products", name), json={"name": "Product"}).raise_for_status()
    sent = lead(name, action(), customer_id=name, product_id=name, user={"external_id": "7"})
    assert post(api, sent).status_code == 201
    assert post(api, sent | {"customer_id": "other"}).status_code == 201
    stray = lead(name, action(), customer_id=name, product_id="lost")
    of_customer = {"customer_id": name}
    month = path_of("billing", "reports", name, "2024-04")

    found = api.get(path_of("leads", name), params=of_customer)
    assert (found.status_code, found.json()["lead_id"], found.json()["customer_id"]) == (
        200,
        name,
        name,
    )
    for filters in (of_customer, {"product_id": name}):
        listed = api.get("/leads", params=filters).json()["data"]
        assert name in {one["lead_id"] for one in listed}
    draft = api.get(month)
    assert (draft.status_code, draft.json()["customer_id"]) == (200, name)
    for extension in ("csv", "html", "pdf", "json"):
        assert api.get(f"{month}.{extension}").status_code == 200
    (entry,) = api.get("/billing/reports", params=of_customer).json()["data"]
    assert entry["customer_id"] == name
    closed = api.post("/billing/periods/2024-04/close", json={"customer_ids": [name]})
    assert closed.json()["closed"] == 1
    verified = api.get(f"{month}/verify")
    assert (verified.status_code, verified.json()["customer_id"]) == (200, name)
    opened = api.post("/billing/disputes", json=of_customer | {"lead_id": name, "reason": "spam"})
    assert opened.status_code == 201
    erased = api.post(path_of("customers", name, "erasures"), json={"user": "7"})
    assert (erased.status_code, erased.json()["leads"]) == (200, 1)
    post(api, stray | {"lead_id": f"{name[:100]}2"})
    (waiting,) = api.get("/quarantine", params=of_customer).json()["data"]
    assert waiting["lead"]["customer_id"] == name
    new = action(timestamp="2024-05-02T09:00:00Z")
    assert post(api, sent | {"actions": [new], "user": None}).status_code in {200, 409}
    voided = api.post(path_of("leads", name, "void"), json={"customer_id": "other", "reason": "x"})
    assert voided.status_code == 200, voided.text
    for address in ("customer", "product"):
        assert api.get(f"/console/{address}", params={"id": name}).status_code == 200
    assert api.get("/console/lead", params={"id": name} | of_customer).status_code == 200
    statement = of_customer | {"period": "2024-04"}
    assert api.get("/console/statement", params=statement).status_code == 200
    assert api.get("/console/quarantine", params=of_customer).status_code == 200


def test_every_route_with_an_id_of_the_caller_takes_any_text() -> None:
    """`{id}` and `{id:path}` stop at a slash or at a line end."""
    ours = {"lead_id", "customer_id", "product_id"}
    paths = {route.path for route in app.routes if hasattr(route, "path")}

    for path in paths:
        for name in ours:
            assert f"{{{name}}}" not in path, path
            assert f"{{{name}:path}}" not in path, path
