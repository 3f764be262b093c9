"""Fixtures of the tests that speak to the API."""

import httpx
import pytest

from tests.support import adapter
from tests.support.api import action, check_shape, lead, post, register
from tests.support.closing import USER

__all__ = ["adapter"]  # imported before any test runs a loop of its own


@pytest.fixture
def api(gateway: httpx.Client) -> httpx.Client:
    """A client that holds each answer against its shape, of an API that knows no one yet."""
    gateway.event_hooks["response"].append(check_shape)
    return gateway


@pytest.fixture
def acme(api: httpx.Client) -> httpx.Client:
    """The same, of an API that knows the customer acme and the product abc."""
    register(api)
    return api


@pytest.fixture
def april_and_may(acme: httpx.Client) -> httpx.Client:
    """One user's April and May."""
    actions = [
        action("Form", "2024-04-03T09:00:00Z"),
        action("Share", "2024-05-01T00:30:00+02:00", "Medium"),
        action("Like", "2024-04-30T23:59:59.999999Z", "Low"),
        action("Form", "2024-05-01T00:00:00Z"),
    ]
    post(acme, lead("lead-1", *actions, user=USER)).raise_for_status()
    return acme
