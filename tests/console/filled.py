"""A console with something on every page: the sample, made-up leads, a closed month, a late action.

Used by the browser's tests and by `make screenshots`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx

from scripts.demo import PRODUCTS, SAMPLE, SAMPLE_CUSTOMERS
from scripts.seed import campaign
from tests.api import action, lead, post

UNTIL = datetime(2024, 7, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Page:
    """A page of the console: the name of its picture, its address, and its first heading."""

    name: str
    path: str
    heading: str


PAGES: Sequence[Page] = (
    Page("overview", "/?month=2024-06", "June 2024"),
    Page("reports", "/console/reports", "Reports"),
    Page("leads", "/console/leads", "Leads"),
    Page("lead", "/console/lead?id=uuid-3", "Lead uuid-3"),
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
    Page("close", "/console/close?period=2024-05", "Close May 2024"),
    Page("runs", "/console/runs", "Billing runs"),
)


def fill(client: httpx.Client, leads: int = 600) -> None:
    """Registers and posts everything; closes April."""
    sent = campaign(1, leads, UNTIL)
    for kind, entries in (
        ("customers", SAMPLE_CUSTOMERS | sent.customers),
        ("products", PRODUCTS | sent.products),
    ):
        for name, entry in entries.items():
            client.put(f"/{kind}/{name}", json=entry).raise_for_status()
    post(client, SAMPLE.read_bytes())
    for body in sent.bodies():
        post(client, body)
    for month in ("2024-03", "2024-04"):
        client.post(f"/billing/periods/{month}/close", json={"actor": "Ada"}).raise_for_status()
    late = lead(
        "late-1",
        action("Webinar", "2024-04-20T10:05:00Z", "Medium"),
        customer_id="customer-123",
        product_id="product-abc",
    )
    stray = lead("stray-1", action(), customer_id="customer-789", product_id="product-abc")
    post(client, json.loads(json.dumps([late, stray])))
