"""Leases: one worker has a piece of work at a time, until its lease runs out.

Invariant: a killed worker renews nothing, so the next one takes its work up within `LEASE`.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from datetime import timedelta

from common.problems import Problem

LEASE = timedelta(seconds=60)
_SECONDS_BETWEEN_BEATS = 2.0


@contextmanager
def renewing(renew: Callable[[], bool]) -> Iterator[threading.Event]:
    """Calls `renew` in a thread of its own until the block ends.

    The event is set once `renew` says that another worker has the lease.
    """
    lost, over = threading.Event(), threading.Event()

    def beat() -> None:
        while not over.wait(_SECONDS_BETWEEN_BEATS):
            try:
                is_ours = renew()
            except Problem:
                continue  # the lease lasts for many beats
            if not is_ours:
                lost.set()
                return

    thread = threading.Thread(target=copy_context().run, args=(beat,), name="lease", daemon=True)
    thread.start()
    try:
        yield lost
    finally:
        over.set()
        thread.join()
