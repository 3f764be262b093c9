"""A receiver of webhooks on this machine."""

from collections.abc import Iterator

import pytest

from common.settings import settings
from tests.support.webhooks import Receiver


@pytest.fixture
def receiver(gateway: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("WEBHOOKS_TO_LOOPBACK", "true")
    settings.cache_clear()
    with Receiver().running() as started:
        yield started
