"""Work that is tried again while its failure may pass."""

import random
import time
from collections.abc import Callable
from itertools import count
from typing import TypeVar

from sqlalchemy.orm import Session

from common.database.transactions import transaction
from common.problems import DatabaseUnavailable

T = TypeVar("T")
_MAX_ATTEMPTS = 4
_FIRST_PAUSE_SECONDS = 0.2
_MIN_ATTEMPT_SECONDS = 0.5


def with_retries(work: Callable[[Session], T], seconds: float) -> T:
    """What `work` gives in a transaction, tried again while its failure may pass.

    `work` has to be safe to repeat: when the answer to a commit is lost it is done twice. No
    attempt begins after `seconds`, and no statement runs on past them. Raises DatabaseUnavailable.
    """
    deadline = time.monotonic() + seconds
    for attempt in count(1):
        try:
            with transaction() as session:
                _limit_time(session, deadline - time.monotonic())
                return work(session)
        except DatabaseUnavailable:
            # Full jitter: those who failed together do not come back together.
            pause = random.uniform(0, _FIRST_PAUSE_SECONDS * 2**attempt)  # noqa: S311
            left = deadline - time.monotonic() - pause
            if attempt == _MAX_ATTEMPTS or left < _MIN_ATTEMPT_SECONDS:
                raise
            time.sleep(pause)
    raise AssertionError("counting has no end")


def _limit_time(session: Session, seconds: float) -> None:
    """Has the server end what takes longer, also when we are killed and cannot say so."""
    milliseconds = max(int(seconds * 1000), 1)
    session.connection().exec_driver_sql(
        f"set local statement_timeout = {milliseconds}; "
        f"set local idle_in_transaction_session_timeout = {milliseconds}"
    )
