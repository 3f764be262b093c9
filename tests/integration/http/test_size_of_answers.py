"""No answer is larger than 6 MB: why not, for each route; and what is said in place of one."""

import gzip
import json
from typing import Any

import httpx
import pytest

from services.reports.api import imports
from services.reports.http import answer_limit
from services.reports.render import as_html
from tests.support.api import JSON, action, lead, post
from tests.support.imports import generic_csv, generic_row
from tests.support.routes import ROLES_OF_ROUTES

_WHY = """
as many entries as fit into 4 MiB, and a cursor (services/reports/api/fitting.py):
    GET /leads
    GET /leads/quarantined
    GET /quarantine
    GET /billing/reports
    GET /billing/reports/{customer_id:id}/{period}/lines
    GET /billing/reports/{customer_id:id}/{period}/prior-lines
    GET /billing/reports/{customer_id:id}/{period}/users
    GET /billing/reports/{customer_id:id}/{period}/leads
    GET /billing/runs
    GET /billing/heads
    GET /billing/disputes
    GET /exports
    GET /rate-cards
    GET /customers
    GET /products
    GET /webhooks
    GET /webhooks/{webhook_id}/deliveries
    GET /keys
    GET /audit
a file that is an export if it is larger, else a header that fits (test_large_report_files.py):
    GET /billing/reports/{customer_id:id}/{period}
    GET /console/statement/progress
a stored file, which a bucket sends in a deployment:
    GET /exports/{export_id}/file
packed if it is large, and refused if that is too large:
    GET /imports/{import_id}/refused.csv
at most 4,000 errors and a result for each of 1,000 leads:
    POST /leads
one thing, with texts and lists of limited length:
    GET /docs
    GET /docs/oauth2-redirect
    GET /health/live
    GET /health/ready
    GET /metrics
    GET /.well-known/jwks.json
    POST /imports
    GET /imports/{import_id}
    PUT /imports/{import_id}/file
    GET /mappings/{name}
    PUT /mappings/{name}
    DELETE /mappings/{name}
    GET /quarantine/{quarantine_id:uuid}
    GET /billing/reports/{customer_id:id}/{period}/verify
    GET /billing/reports/{customer_id:id}/{period}/deliveries
    POST /billing/reports/{customer_id:id}/{period}/deliveries
    GET /billing/reconciliation
    GET /billing/heads/consistency
    GET /billing/heads/{period}
    GET /billing/reports/{customer_id:id}/{period}/inclusion
    GET /billing/disputes/{dispute_id}
    POST /billing/disputes
    POST /billing/disputes/{dispute_id}/accept
    POST /billing/disputes/{dispute_id}/reject
    POST /exports
    GET /exports/{export_id}
    POST /rate-cards
    GET /customers/{customer_id:id}
    PUT /customers/{customer_id:id}
    POST /customers/{customer_id:id}/erasures
    GET /products/{product_id:id}
    PUT /products/{product_id:id}
    GET /lead-types
    POST /keys
    POST /keys/{key_id}/rotate
    POST /keys/{key_id}/revoke
    POST /webhooks
    GET /webhooks/{webhook_id}
    DELETE /webhooks/{webhook_id}
    POST /webhooks/{webhook_id}/rotate
    POST /webhooks/{webhook_id}/disable
    POST /webhooks/{webhook_id}/enable
    POST /webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver
    POST /leads/quarantined/{quarantine_id:uuid}/replay
    DELETE /leads/quarantined/{quarantine_id:uuid}
    DELETE /quarantine/{quarantine_id:uuid}
    POST /quarantine/{quarantine_id:uuid}/replay
    POST /quarantine/dismiss
    POST /quarantine/replay
    POST /leads/quarantined/replay
refused if it is larger (services/reports/http/answer_limit.py): it grows with the data:
    GET /leads/{lead_id:id}
    POST /leads/{lead_id:id}/void
    POST /billing/periods/{period}/close
    POST /billing/simulations
    GET /mappings
"""


def _read() -> dict[tuple[str, str], str]:
    reasons: dict[tuple[str, str], str] = {}
    reason = ""
    for row in _WHY.strip().splitlines():
        if row.endswith(":"):
            reason = row
        else:
            method, _, path = row.strip().partition(" ")
            assert (method, path) not in reasons
            reasons[method, path] = reason
    return reasons


def is_page(route: tuple[str, str]) -> bool:
    """Pages of the console have a limit of rows, or lead elsewhere."""
    return route[1] == "/" or (
        route[1].startswith("/console/") and not route[1].endswith("/progress")
    )


def test_each_route_has_a_reason_why_it_answers_no_more_than_6_mb() -> None:
    assert set(_read()) == {route for route in ROLES_OF_ROUTES if not is_page(route)}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/leads/l1"),
        ("GET", "/mappings"),
        ("GET", "/customers"),
        ("GET", "/console/leads"),
        ("POST", "/billing/periods/2024-04/close"),
    ],
)
def test_larger_answer_is_a_problem(
    acme: httpx.Client, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    post(acme, lead("l1", action())).raise_for_status()
    monkeypatch.setattr(answer_limit, "MAX_BYTES", 10)

    answer = acme.request(method, path, headers={"accept": "application/json"})

    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:lead-billing:problem:answer-too-large"
    said = "ask for less" if method == "GET" else "it was carried out"
    assert said in answer.json()["detail"]


def test_answer_to_nothing_but_errors_fits(acme: httpx.Client) -> None:
    names = [f"{number:02}" + "\\u0001" * 150 for number in range(40)]
    members = ",".join(f'"{name}":1' for name in names)
    body = "[" + ",".join([f'{{"lead_id":"{"x" * 128}",{members}}}'] * 100) + "]"
    assert len(body) < 6_000_000

    answer = acme.post("/leads", content=body, headers=JSON)

    assert answer.status_code == 207
    assert len(json.dumps(answer.text)) < 6_291_556  # what Lambda takes


def test_many_refused_rows_come_packed(acme: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    content = generic_csv(*(generic_row(f"l-{n}", engagement_level="Huge") for n in range(50)))
    sent: Any = acme.post("/imports", content=content, headers={"content-type": "text/csv"}).json()
    address = f"/imports/{sent['import_id']}/refused.csv"
    whole = acme.get(address)
    monkeypatch.setattr(imports, "MAX_ANSWER_BYTES", 1_000)

    packed = acme.get(address)
    plain = acme.get(address, headers={"accept-encoding": "identity"})

    assert "content-encoding" not in whole.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(gzip.compress(whole.content)) + 100
    assert packed.content == plain.content == whole.content


def test_page_of_a_report_names_some_credits_and_counts_all(
    acme: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(as_html, "_MAX_CREDITS", 1)
    leads = [lead(f"l{number}", action()) for number in range(2)]
    post(acme, leads).raise_for_status()
    for number in range(2):
        body = {"lead_id": f"l{number}", "reason": "spam"}
        opened = acme.post("/billing/disputes", json=body).raise_for_status().json()
        acme.post(f"/billing/disputes/{opened['dispute_id']}/accept").raise_for_status()

    page = acme.get("/billing/reports/acme/2024-04.html", headers={"accept": "text/html"}).text

    assert "The first 1 of 2; the CSV and the PDF contain all of them." in page
