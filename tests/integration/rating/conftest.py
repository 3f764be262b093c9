"""The service's clock."""

from collections.abc import Iterator
from datetime import datetime

import pytest

from services.reports.api.dependencies import now
from services.reports.app import app
from tests.support.rate_cards import Clock


@pytest.fixture
def clock() -> Iterator[Clock]:
    """Sets the service's clock."""

    def be(moment: str) -> None:
        app.dependency_overrides[now] = lambda: datetime.fromisoformat(moment)

    be("2024-03-15T12:00:00+00:00")
    yield be
    del app.dependency_overrides[now]
