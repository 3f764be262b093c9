"""The background worker: does what no request waits for (`python -m services.reports worker`).

It has steps. A step looks for work, does some, and says whether there was any. Each step has a
thread of its own, so one that takes long or fails holds up no other.

Invariant: several workers side by side are safe, and work that a killed worker leaves behind is
taken up by the next one. So a step locks its row with FOR UPDATE SKIP LOCKED, and what takes longer
than a transaction has a lease in its row that runs out.
"""

import logging
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context

from common.database.engine import own_pool
from common.database.errors import cause_of
from common.events.sending import send_events
from common.idempotency.claims import forget_answers
from common.observability.metrics import Metric, record, sinks
from common.problems import Problem
from common.settings import Settings, settings
from services.reports.exporting import make_exports
from services.reports.http.request_logging import log_as_json, write_to_cloudwatch
from services.reports.importing import import_dropped_files, import_uploaded_files
from services.reports.mail.sending import note_mail_events, send_statements

# Does some work, and says whether there was any. A long step ends early once the event is set, and
# leaves its work to the next worker.
Step = Callable[[Settings, threading.Event], bool]


def forget_old_answers(_settings: Settings, _stopping: threading.Event) -> bool:
    """Deletes idempotency keys and their answers a day after they were sent."""
    return forget_answers()


STEPS: tuple[Step, ...] = (
    make_exports,
    import_dropped_files,
    import_uploaded_files,
    send_events,
    send_statements,
    note_mail_events,
    forget_old_answers,
)

CONNECTIONS_PER_STEP = 2
_MAX_PAUSE_SECONDS = 60.0
# After SIGTERM; ECS sends SIGKILL after 30 seconds.
_GRACE_SECONDS = 20.0

logger = logging.getLogger("lead_billing.worker")


@contextmanager
def working(steps: tuple[Step, ...] = STEPS) -> Iterator[None]:
    """Runs the steps until the block ends, on connections of their own."""
    stopping = threading.Event()
    with own_pool(max(1, CONNECTIONS_PER_STEP * len(steps))):
        threads = [
            threading.Thread(
                target=copy_context().run,
                args=(_repeat, step, stopping),
                name=f"worker: {_name(step)}",
                daemon=True,
            )
            for step in steps
        ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        for thread in threads:
            thread.join(_GRACE_SECONDS)


def _repeat(step: Step, stopping: threading.Event) -> None:
    failures = 0
    while not stopping.is_set():
        pause = settings().worker_pause_seconds
        try:
            if step(settings(), stopping):
                failures, pause = 0, 0
            else:
                failures = 0
        except Exception as error:
            failures += 1
            pause = min(pause * 2**failures, _MAX_PAUSE_SECONDS)
            record(Metric.STEPS_FAILED, step=_name(step))
            if isinstance(error, Problem):
                told = {"step": _name(step), "reason": error.detail, "cause": cause_of(error)}
                logger.warning("a step failed", extra=told)
            else:
                logger.exception("a step failed", extra={"step": _name(step)})
        # Apart from other workers that started at the same time.
        stopping.wait(pause * random.uniform(0.5, 1.5))  # noqa: S311


def _name(step: Step) -> str:
    return getattr(step, "__name__", "step")


def main(steps: tuple[Step, ...] = STEPS) -> None:
    """Works until SIGTERM or SIGINT."""
    log_as_json()
    if settings().cloudwatch_metrics and write_to_cloudwatch not in sinks:
        sinks.append(write_to_cloudwatch)
    over = threading.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: over.set())
    with working(steps):
        logger.info("works", extra={"steps": [_name(step) for step in steps]})
        over.wait()
    logger.info("stopped")
