"""Catching up in the background: the service has the standing totals hold what was stored.

Invariant: reports are exact without it. It pauses at least as long as it works, so it takes half of
one connection at most; with several tasks, each leaves out the customers that another one is at.
"""

import logging
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context

from common.database.errors import cause_of
from common.database.transactions import long_work
from common.problems import Problem
from common.rating.standing_totals.catch_up import catch_up

logger = logging.getLogger("lead_billing.standing_totals")


@contextmanager
def catching_up(seconds: float) -> Iterator[None]:
    """Catches up about every `seconds`, in a thread of its own."""
    over = threading.Event()

    def work() -> None:
        pause = seconds
        # Apart from other tasks that started at the same time.
        while not over.wait(pause * random.uniform(0.5, 1.5)):  # noqa: S311
            started = time.monotonic()
            try:
                with long_work():
                    catch_up(waits_for_closing=True)
            except Problem as problem:
                told = {"reason": problem.detail, "cause": cause_of(problem)}
                logger.warning("could not catch up", extra=told)
            except Exception:
                logger.exception("could not catch up")
            pause = max(seconds, time.monotonic() - started)

    thread = threading.Thread(
        target=copy_context().run, args=(work,), name="catching up", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        over.set()
