"""A console with something on every page: the sample, made-up leads, a closed month, a late action.

Used by the browser's tests and by `make screenshots`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx

from common.billing_period import Period
from scripts.sample_data import CUSTOMERS, LEADS, PRODUCTS
from scripts.seed import campaign
from tests.support.api import action, lead, post

UNTIL = datetime(2024, 7, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Page:
    """A page of the console: the name of its picture, its address, and its first heading.

    `then`: what to click (a CSS selector) to come from that address to the page.
    """

    name: str
    path: str
    heading: str
    then: str | None = None


PAGES: Sequence[Page] = (
    Page("overview", "/?month=2024-06", "June 2024"),
    Page("reports", "/console/reports", "Reports"),
    Page("report", "/billing/reports/customer-123/2024-04.html", "Acme Corporation"),
    Page("leads", "/console/leads", "Leads"),
    Page("lead", "/console/lead?id=uuid-3", "Lead uuid-3"),
    Page("imports", "/console/imports", "Import"),
    Page("exports", "/console/exports", "Exports"),
    Page("quarantine", "/console/quarantine", "Quarantine"),
    Page("customers", "/console/customers", "Customers"),
    Page("customer", "/console/customer?id=customer-123", "Acme Corporation"),
    Page("products", "/console/products", "Products"),
    Page("product", "/console/product?id=product-abc", "Product ABC"),
    Page("rate-cards", "/console/rate-cards", "Rate cards"),
    Page(
        "rate-card-editor",
        "/console/rate-card-editor?customer_id=customer-123",
        "New version of the rate card of Acme Corporation",
    ),
    Page("rate-card", "/console/rate-cards", "Default, version 1", "main table a"),
    Page(
        "rate-card-review",
        "/console/rate-card-editor",
        "Review: Default",
        "button[value=review]",
    ),
    Page("close", "/console/close?period=2024-05", "Close May 2024"),
    Page("runs", "/console/runs", "Billing runs"),
    Page("run", "/console/runs", "Closing April 2024", "main table a"),
    Page("disputes", "/console/disputes", "Disputes"),
    Page("dispute", "/console/disputes", "Dispute of lead uuid-2", "main table a"),
    Page("new-dispute", "/console/new-dispute?lead_id=uuid-1", "Dispute lead uuid-1"),
    Page(
        "statement",
        "/console/statement?customer_id=customer-123&period=2024-04",
        "Statement of April 2024",
    ),
    Page("keys", "/console/keys", "API keys"),
    Page("audit", "/console/audit", "Audit"),
    Page("sign-in", "/console/sign-in?ended=true", "Sign in"),
)


OWN_CARD = {
    "customer_id": "customer-123",
    "name": "Acme's own",
    "rates": [
        {"engagement_level": "High", "amount": "12.00"},
        {"engagement_level": "Medium", "amount": "6.00"},
        {"engagement_level": "Low", "amount": "1.50"},
        {"engagement_level": "High", "lead_type": "Webinar", "amount": "18.00"},
        {"engagement_level": "Low", "product_id": "product-abc", "amount": "0.50"},
    ],
    "cap": {"amount": "150.00", "scope": "user_and_product"},
    "duplicates_charged_for": ["Demo Request"],
}


def _next_month() -> str:
    return str(Period(Period(datetime.now(UTC).date().replace(day=1)).end))


def fill(client: httpx.Client, leads: int = 600) -> None:
    """Registers and posts everything; closes April."""
    sent = campaign(1, leads, UNTIL)
    for kind, entries in (
        ("customers", CUSTOMERS | sent.customers),
        ("products", PRODUCTS | sent.products),
    ):
        for name, entry in entries.items():
            client.put(f"/{kind}/{name}", json=entry).raise_for_status()
    post(client, LEADS.read_bytes())
    for body in sent.bodies():
        post(client, body)
    for month in ("2024-03", "2024-04"):
        client.post(f"/billing/periods/{month}/close", json={"actor": "Ada"}).raise_for_status()
    dispute = {
        "lead_id": "uuid-2",
        "reason": "out_of_area",
        "note": "Lives abroad.",
        "actor": "Ada",
    }
    client.post("/billing/disputes", json=dispute).raise_for_status()
    client.post("/rate-cards", json=OWN_CARD | {"valid_from": _next_month()}).raise_for_status()
    for name, role, owner in (
        ("Partner feed", "ingest", None),
        ("Bob of Acme", "viewer", "customer-123"),
    ):
        key = {"name": name, "role": role, "customer_id": owner}
        client.post("/keys", json=key).raise_for_status()
    late = lead(
        "late-1",
        action("Webinar", "2024-04-20T10:05:00Z", "Medium"),
        customer_id="customer-123",
        product_id="product-abc",
    )
    stray = lead("stray-1", action(), customer_id="customer-789", product_id="product-abc")
    post(client, json.loads(json.dumps([late, stray])))
