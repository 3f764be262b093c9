"""Settings of an issuer, and customers whose month can be closed."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from common.settings import settings
from tests.support.api import action, lead, post, register

APRIL = "2024-04"


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Sets settings by their names, until the test ends."""

    def configure(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name.upper(), value)
        settings.cache_clear()

    yield configure
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def april(api: httpx.Client) -> httpx.Client:
    """Six customers with an action each in April."""
    names = [f"c-{number}" for number in range(6)]
    register(api, customers=dict.fromkeys(names, "UTC"))
    post(api, [lead("lead-1", action(), customer_id=name) for name in names]).raise_for_status()
    return api
