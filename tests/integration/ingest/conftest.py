"""A database that is ready for leads, a queue, and retries without pauses."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from common.catalog.customers import register_customer
from common.catalog.products import register_product
from common.database import engine as engine_module
from common.database.engine import get_engine
from functions.ingest import storage
from tests.support.waiting_leads import Queue, a_queue


@pytest.fixture
def ready(configured_database: str) -> Engine:
    """The engine of a database that knows acme and abc, which the functions lead to."""
    with get_engine().begin() as connection:
        register_customer(Session(connection), "acme", "Acme", "a@acme.test")
        register_product(Session(connection), "abc", "abc", None)
    return get_engine()


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    with a_queue(monkeypatch) as made:
        yield made


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries as always, without the waiting between."""
    monkeypatch.setattr(engine_module, "_FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(storage, "REST_SECONDS", 0.0)
