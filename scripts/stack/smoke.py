"""Send requests to every route through the gateway, and check each status and a text of each body.

Stores only the sample and one lead that stays in quarantine. Safe to repeat.
"""

import json
from dataclasses import dataclass
from typing import Any

from common.version import VERSION
from scripts.sample_data import CUSTOMERS, LEADS, PRODUCTS
from scripts.stack import aws, keys, sample
from scripts.stack.report import StackError, say
from scripts.stack.settings import Stack

QUARANTINED_LEAD = {
    "lead_id": "smoke-stray-lead",
    "customer_id": "smoke-unknown-customer",
    "product_id": "product-abc",
    "lead_type": "Website Visit",
    "created_at": "2024-04-01T09:55:00Z",
    "actions": [],
}
DISPUTE = {"lead_id": "smoke-stray-lead", "reason": "spam"}


@dataclass(frozen=True)
class Probe:
    """A request, its correct statuses, and a text that the answer must contain."""

    method: str
    path: str
    statuses: tuple[int, ...]
    text: str = ""
    body: Any = None
    has_key: bool = True


def probes() -> list[Probe]:
    """At least one probe for each route."""
    leads = LEADS.read_bytes()
    first = json.loads(leads)[0]
    report = "/billing/reports/customer-123/2024-04"
    return [
        Probe("GET", "/health/live", (200,), f'"version":"{VERSION}"', has_key=False),
        Probe("GET", "/health/ready", (200,), has_key=False),
        Probe("GET", "/leads", (401,), "unauthenticated", has_key=False),
        Probe("POST", "/leads", (401,), "unauthenticated", leads, has_key=False),
        Probe("GET", "/keys", (200,), "make up"),
        Probe("GET", "/audit", (200,), "api_key"),
        Probe("PUT", "/customers/customer-123", (200,), "customer-123", CUSTOMERS["customer-123"]),
        Probe("GET", "/customers", (200,), "customer-123"),
        Probe("PUT", "/products/product-abc", (200,), "product-abc", PRODUCTS["product-abc"]),
        Probe("GET", "/products", (200,), "product-abc"),
        Probe("POST", "/leads", (200,), '"results"', leads),
        Probe("POST", "/leads", (200,), "unchanged", first),
        Probe("POST", "/leads", (422,), "errors", {**first, "lead_type": "Carrier Pigeon"}),
        Probe("POST", "/leads", (400,), "status", b"{"),
        Probe("POST", "/leads", (202,), "quarantined", QUARANTINED_LEAD),
        Probe("GET", "/leads?customer_id=customer-123&limit=1", (200,), "next_cursor"),
        Probe("GET", "/leads/uuid-1", (200,), "uuid-1"),
        Probe("GET", "/leads/no-such-lead", (404,), "status"),
        Probe("GET", "/leads?limit=0", (422,), "errors"),
        Probe("GET", "/quarantine", (200,), "smoke-stray-lead"),
        Probe("GET", "/billing/reports?customer_id=customer-123", (200,), "12.00"),
        Probe("GET", report, (200,), '"12.00"'),
        Probe("GET", f"{report}.csv", (200,), "uuid-1"),
        Probe("GET", f"{report}.html", (200,), "<html"),
        Probe("GET", "/?month=2024-04", (200,), "April 2024"),
        Probe("GET", "/console/leads?user=", (200,), "uuid-1"),
        Probe("GET", "/console/quarantine", (200,), "smoke-stray-lead"),
        Probe("GET", "/static/console.css", (200,), "color-scheme"),
        Probe("GET", "/billing/runs", (200,), "next_cursor"),
        Probe("GET", "/billing/reconciliation", (200,), '"reconciled":true'),
        Probe("GET", "/billing/disputes?status=open", (200,), "next_cursor"),
        Probe("POST", "/billing/disputes", (422,), "unknown_lead", DISPUTE),
        Probe("GET", "/rate-cards", (200,), "follows_default"),
        Probe("GET", "/docs", (200,), "openapi"),
        Probe("GET", "/openapi.json", (200,), "/billing/reports"),
        Probe("DELETE", "/leads", (404, 405)),
        Probe("GET", "/no/such/route", (404,), "status"),
    ]


def check(stack: Stack) -> None:
    """Send every probe. Raises StackError with the routes that answered wrongly."""
    url = sample.gateway(stack)
    sample.send(stack)
    key = keys.authorization(stack)
    wrong = [probe for probe in probes() if not passes(url, probe, key if probe.has_key else {})]
    if wrong:
        names = ", ".join(f"{probe.method} {probe.path}" for probe in wrong)
        raise StackError(f"{len(wrong)} routes answered wrongly: {names}.", "make logs")


def passes(url: str, probe: Probe, headers: dict[str, str]) -> bool:
    """Send a probe, print the result, and return whether it is correct."""
    try:
        answer = aws.request(probe.method, url + probe.path, probe.body, headers)
    except ConnectionError as error:
        say(f"FAIL {probe.method:<6} {probe.path}: {error}")
        return False
    correct = answer.status in probe.statuses and probe.text.encode() in answer.body
    say(f"{'ok  ' if correct else 'FAIL'} {probe.method:<6} {probe.path} {answer.status}")
    if not correct:
        say(f"     {answer.body.decode(errors='replace')[:300]}")
    return correct
