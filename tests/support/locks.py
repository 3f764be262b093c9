"""Waiting, in tests of concurrency, until something waits for a lock, and not longer.

A test holds a transaction open at the point that it is about, has another run into it, and goes on
once that one waits: the race comes out alike each time.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, text

from common.database.transactions import transaction

_WAITING = text("select count(*) from pg_locks where locktype = 'advisory' and not granted")
_BLOCKED = text(
    "select count(*) from pg_stat_activity"
    " where wait_event_type = 'Lock' and datname = current_database()"
)


def wait_until_one_waits() -> None:
    """Until somebody waits for a customer's lock."""
    deadline = time.monotonic() + 30
    while True:
        with transaction() as session:
            if session.scalar(_WAITING):
                return
        assert time.monotonic() < deadline, "nobody waits"
        time.sleep(0.02)


def wait_until_one_is_blocked(engine: Engine) -> None:
    """Until somebody waits for a row, or for the end of another's transaction."""
    deadline = time.monotonic() + 30
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not connection.scalar(_BLOCKED):
            assert time.monotonic() < deadline, "nobody waits"
            time.sleep(0.02)


@contextmanager
def no_wait(engine: Engine) -> Iterator[Connection]:
    """A transaction that fails where it would have to wait for another."""
    with engine.begin() as connection:
        connection.exec_driver_sql("set local lock_timeout = '2s'")
        yield connection
