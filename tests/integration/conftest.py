"""Fixtures of the tests that speak to the API."""

import httpx
import pytest

from tests.support import adapter
from tests.support.api import check_shape, register

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
