"""The circuit breaker of this process: who asks a database that did not answer.

Invariant: after a wait without an answer, one caller at a time tries again, and all others are
refused at once. A server that refuses connections needs no breaker: it answers.
"""

import time
from collections.abc import Callable
from threading import Lock

from common.problems import DatabaseUnavailable

# So long a database that did not answer is left alone.
REST_SECONDS = 3.0


class Breaker:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open_until: float | None = None
        self._lock = Lock()

    def trip(self) -> None:
        """The database did not answer in time."""
        self._open_until = self._clock() + REST_SECONDS

    def close(self) -> None:
        """The database answers."""
        if self._open_until is not None:
            self._open_until = None

    def require_closed(self) -> None:
        """Lets through whoever may ask the database. Raises DatabaseUnavailable."""
        if self._open_until is None:
            return
        with self._lock:
            now, until = self._clock(), self._open_until
            if until is not None and now < until:
                raise DatabaseUnavailable("the database did not answer a moment ago")
            if until is not None:
                self._open_until = now + REST_SECONDS  # this caller tries, the others wait


breaker = Breaker()
