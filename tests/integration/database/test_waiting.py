"""How long this side waits for the database."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text

from common.database import engine as engine_module
from common.database.breaker import Breaker, breaker
from common.database.engine import forget_engines, own_pool
from common.database.transactions import long_work, snapshot, transaction
from common.database.waiting import Deadline, statements_of, until
from common.problems import ClientLeft, DatabaseUnavailable, TookTooLong
from common.settings import settings
from tests.support.relay import Relay

_LIMIT = text("show statement_timeout")


class DeafRelay(Relay):
    """A relay that can stop passing on: connections stay and nobody answers."""

    is_deaf = False

    def _pass_on(self, source: Any, sink: Any, is_request: bool) -> None:
        deaf = self

        class Ear:
            def sendall(self, data: bytes) -> None:
                while deaf.is_deaf:
                    time.sleep(0.01)
                sink.sendall(data)

            def __getattr__(self, name: str) -> Any:
                return getattr(sink, name)

            def __hash__(self) -> int:
                return hash(sink)

            def __eq__(self, other: object) -> bool:
                return bool(sink == other)

        super()._pass_on(source, Ear(), is_request)  # type: ignore[arg-type]


@pytest.fixture
def relay(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[DeafRelay]:
    made = DeafRelay(("127.0.0.1", int(engine.url.port or 0)))
    address = engine.url.set(host="127.0.0.1", port=made.port)
    monkeypatch.setenv("DATABASE_URL", address.render_as_string(hide_password=False))
    monkeypatch.setenv("DATABASE_CONNECT_TIMEOUT_SECONDS", "2")
    settings.cache_clear()
    forget_engines()
    yield made
    made.is_deaf = False
    made.close()
    forget_engines()
    settings.cache_clear()


def test_statement_of_a_server_that_says_nothing_is_given_up(relay: DeafRelay) -> None:
    with statements_of(0.5), pytest.raises(DatabaseUnavailable), snapshot() as session:  # noqa: PT012
        relay.is_deaf = True
        began = time.monotonic()
        session.execute(text("select 1"))

    assert time.monotonic() - began < 3


def test_after_a_silence_nobody_waits_until_one_has_been_answered(relay: DeafRelay) -> None:
    with statements_of(0.5), pytest.raises(DatabaseUnavailable), snapshot() as session:  # noqa: PT012
        relay.is_deaf = True
        session.execute(text("select 1"))
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailable, match="a moment ago"), snapshot():
        pass
    with pytest.raises(DatabaseUnavailable, match="a moment ago"), transaction():
        pass

    assert time.monotonic() - began < 0.5
    relay.is_deaf = False
    time.sleep(3)
    with snapshot() as session:
        assert session.scalar(text("select 1")) == 1


def test_one_caller_at_a_time_tries_a_database_that_was_silent() -> None:
    now = [0.0]
    tried = Breaker(lambda: now[0])
    tried.trip()
    now[0] = 2.9
    with pytest.raises(DatabaseUnavailable):
        tried.require_closed()
    now[0] = 3.0

    tried.require_closed()
    with pytest.raises(DatabaseUnavailable):
        tried.require_closed()
    tried.close()
    tried.require_closed()


@pytest.mark.usefixtures("configured_database")
def test_who_leaves_ends_the_statement_and_spares_the_other_connections(engine: Engine) -> None:
    sleeping = text(
        "select count(*) from pg_stat_activity where query like '%pg_sleep(60)%'"
        " and state = 'active'"
    )
    with snapshot() as session:
        other = session.scalar(text("select pg_backend_pid()"))
    deadline = Deadline(60)
    threading.Timer(0.5, deadline.leave).start()

    with until(deadline), pytest.raises(ClientLeft), transaction() as session:  # noqa: PT012
        session.execute(text("select 1"))
        with snapshot() as second:
            kept = second.scalar(text("select pg_backend_pid()"))
        session.execute(text("select pg_sleep(60)"))

    assert None not in {kept, other}
    end = time.monotonic() + 5
    alone = engine.execution_options(isolation_level="AUTOCOMMIT")
    with alone.connect() as watching:
        while (watching.scalar(sleeping) or 0) > 1 and time.monotonic() < end:  # its own
            time.sleep(0.05)
        assert watching.scalar(sleeping) == 1
    with snapshot() as session:
        assert session.scalar(text("select pg_backend_pid()")) in {kept, other}
    breaker.require_closed()


@pytest.mark.usefixtures("configured_database")
def test_every_statement_has_a_limit_on_the_server() -> None:
    limits = []
    for where in (snapshot, transaction):
        with where() as session:
            limits.append(session.scalar(_LIMIT))
    with own_pool(1, 20), snapshot() as session:
        limits.append(session.scalar(_LIMIT))
    with long_work(), transaction() as session:
        limits.append(session.scalar(_LIMIT))
    with transaction() as session:
        limits.append(session.scalar(_LIMIT))

    assert limits == ["15s", "15s", "20s", "15min", "15s"]


@pytest.mark.usefixtures("configured_database")
def test_statement_over_its_limit_says_so() -> None:
    with pytest.raises(TookTooLong, match="took too long") as raised, snapshot() as session:  # noqa: PT012
        session.execute(text("set local statement_timeout = 50"))
        session.execute(text("select pg_sleep(5)"))

    assert raised.value.status == 504


@pytest.mark.usefixtures("configured_database")
def test_pool_without_a_free_connection_is_a_503(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "_POOL_SECONDS", 0.1)
    forget_engines()
    with (
        own_pool(1),
        snapshot(),
        pytest.raises(DatabaseUnavailable, match="every connection") as raised,
        snapshot(),
    ):
        pass

    assert (raised.value.status, raised.value.headers["Retry-After"]) == (503, "5")
    forget_engines()
