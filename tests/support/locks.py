"""Waiting, in tests of concurrency, until something waits for a lock."""

import time

from sqlalchemy import text

from common.database.transactions import transaction

_WAITING = text("select count(*) from pg_locks where locktype = 'advisory' and not granted")


def wait_until_one_waits() -> None:
    """Until somebody waits for a customer's lock."""
    deadline = time.monotonic() + 30
    while True:
        with transaction() as session:
            if session.scalar(_WAITING):
                return
        assert time.monotonic() < deadline, "nobody waits"
        time.sleep(0.02)
