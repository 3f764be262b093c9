"""The way of a posted lead: one round trip to the database, and modules that it passes once."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url
from sqlalchemy.orm import Session

from common.access.api_keys import create_key
from common.access.authentication import authenticator
from common.catalog.customers import register_customer
from common.catalog.products import register_product
from common.database import engine as engine_module
from common.database.engine import forget_engines, get_autocommit_engine
from common.enums import Role
from common.settings import settings
from functions.ingest.handler import handler
from scripts.gateway import LambdaContext
from tests.support.api import action, lead
from tests.support.function import event
from tests.support.relay import Relay
from tests.support.ways import callers_on_the_way


@pytest.fixture
def relay(configured_database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """Stands between the function and its database."""
    url = make_url(configured_database)
    counting = Relay((str(url.host), int(url.port or 0)))
    through = url.set(host="127.0.0.1", port=counting.port, query={"sslmode": "disable"})
    monkeypatch.setenv("DATABASE_URL", through.render_as_string(hide_password=False))
    settings.cache_clear()
    forget_engines()
    yield counting
    forget_engines()
    counting.close()


@pytest.fixture
def post(relay: Relay, configured_database: str) -> Callable[[Any], int]:
    """Posts with a key, to a function that has its connection and knows the key."""
    direct = create_engine(configured_database)
    with Session(direct) as session, session.begin():
        register_customer(session, "acme", "Acme", "a@acme.test")
        register_product(session, "abc", "abc", None)
        _, token = create_key(session, "sender", Role.INGEST, "acme")
    direct.dispose()
    authenticator.cache_clear()

    def post_with_key(body: Any) -> int:
        sent = event(json.dumps(body), authorization=f"Bearer {token.text}")
        return int(handler(sent, LambdaContext(aws_request_id="aws-1"))["statusCode"])

    assert post_with_key(lead("first", action())) == 201
    return post_with_key


def test_single_lead_is_stored_in_one_round_trip(post: Callable[[Any], int], relay: Relay) -> None:
    before = relay.requests

    status = post(lead("second", action(), action("Call")))

    assert (status, relay.requests - before) == (201, 1)


def test_batch_is_stored_in_one_round_trip(post: Callable[[Any], int], relay: Relay) -> None:
    before = relay.requests

    status = post([lead(f"batch-{number}", action()) for number in range(20)])

    assert (status, relay.requests - before) == (201, 1)


def test_connection_that_died_is_replaced_without_a_pause(
    post: Callable[[Any], int], configured_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "_FIRST_PAUSE_SECONDS", 1_000.0)
    with create_engine(configured_database).begin() as other:
        other.exec_driver_sql(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )

    assert post(lead("second", action())) == 201


@pytest.mark.usefixtures("configured_database")
def test_server_ends_a_statement_in_autocommit_by_itself() -> None:
    with get_autocommit_engine().connect() as connection:
        assert connection.exec_driver_sql("show statement_timeout").scalar() == "12s"


def test_lead_passes_eight_modules_and_comes_to_each_from_one_place(
    post: Callable[[Any], int],
) -> None:
    way = callers_on_the_way(lambda: post(lead("second", action())))

    assert way == {
        "common.access.authentication": {"handler"},
        "common.access.budgets": {"common.access.authentication"},
        "common.leads.parsing": {"handler"},
        "common.json_reader": {"common.leads.parsing"},
        "common.leads.schemas": {"common.leads.parsing"},
        "common.identifiers": {"common.leads.schemas"},
        "common.leads.ingestion": {"handler"},
        "common.database.engine": {"common.leads.ingestion"},
    }
    assert list(way)[-1] == "common.database.engine"
