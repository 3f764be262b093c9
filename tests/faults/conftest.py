"""One durable PostgreSQL for the faults, and the counts of each, kept for docs/reliability.md."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from common.database.engine import forget_engines
from common.settings import settings
from tests.faults.document import COUNTS
from tests.faults.world import HASH_KEY, Postgres


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    server = Postgres(tmp_path_factory.mktemp("postgres"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def counts() -> Iterator[list[dict[str, Any]]]:
    """A row for each fault; written when the last one is over."""
    rows: list[dict[str, Any]] = []
    yield rows
    COUNTS.parent.mkdir(exist_ok=True)
    COUNTS.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


@pytest.fixture
def pointed_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Has this process's own code work on a database."""
    monkeypatch.setenv("USER_HASH_KEY", HASH_KEY)

    def forget() -> None:
        forget_engines()
        settings.cache_clear()

    def point(url: str) -> None:
        forget()
        monkeypatch.setenv("DATABASE_URL", url)

    yield point
    forget()
