"""A closed month, and the service's clock."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from services.reports.api.dependencies import now
from services.reports.app import app
from tests.support.closing import closed
from tests.support.disputes import Later


@pytest.fixture
def later() -> Iterator[Later]:
    """Sets the service's clock forward."""

    def be(ahead: timedelta) -> None:
        app.dependency_overrides[now] = lambda: datetime.now(UTC) + ahead

    yield be
    app.dependency_overrides.pop(now, None)


@pytest.fixture
def april_closed(april_and_may: httpx.Client) -> httpx.Client:
    """April closed: a Form of 10.00, a Share of 5.00 and a Like of 2.00, all of lead-1."""
    closed(april_and_may, "2024-04")
    return april_and_may
