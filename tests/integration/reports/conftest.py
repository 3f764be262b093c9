"""Leads of two customers."""

import httpx
import pytest

from tests.support.api import action, lead, post, register, without


@pytest.fixture
def two_customers(api: httpx.Client) -> httpx.Client:
    """Two customers, two products, some people, two months."""
    register(api, customers={"acme": "America/New_York", "beta": "UTC"}, products="abc def")
    ann, bob = {"email": "ann@people.test"}, {"phone": "+1 555 0100"}
    post(
        api,
        [
            lead("l1", action("Page View", "2024-04-01T10:00:00Z", "Low"), user=ann),
            lead(
                "l2",
                action("Call", "2024-04-02T10:00:00Z"),
                user=bob,
                product_id="def",
                created_at="2024-04-02T09:00:00Z",
            ),
            lead(
                "l3",
                action("Call", "2024-05-02T10:00:00Z", "Medium"),
                user=ann,
                customer_id="beta",
                lead_type="Webinar",
                created_at="2024-05-02T09:00:00Z",
            ),
            without(lead("l4", created_at="2024-05-03T09:00:00Z"), "user"),
        ],
    ).raise_for_status()
    return api
