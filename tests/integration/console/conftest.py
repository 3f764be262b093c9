"""A client that asks as a browser does."""

from collections.abc import Iterator

import httpx
import pytest

from tests.support.console import BROWSER


@pytest.fixture
def console(gateway: httpx.Client) -> Iterator[httpx.Client]:
    """A client that asks as a browser does, of an API that knows no one yet."""
    gateway.headers.update(BROWSER)
    yield gateway
    gateway.headers["accept"] = "*/*"
