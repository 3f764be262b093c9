"""The rate limit: a token bucket per API key, in this process."""

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from common.problems import (
    TooManyRequests,
)

MAX_CACHED = 10_000


class RateLimit:
    """A token bucket per key: `per_second` requests a second, twice as many at once.

    It is this process's own: with n processes a key gets n times as much at the most.
    """

    def __init__(self, per_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = Lock()

    def take(self, key_id: str) -> None:
        """Counts a request. Raises TooManyRequests."""
        if not self._per_second:
            return
        most = 2.0 * self._per_second
        now = self._clock()
        with self._lock:
            left, at = self._buckets.pop(key_id, (most, now))
            left = min(most, left + (now - at) * self._per_second)
            is_over = left < 1
            self._buckets[key_id] = (left if is_over else left - 1, now)
            while len(self._buckets) > MAX_CACHED:
                self._buckets.popitem(last=False)
        if is_over:
            raise TooManyRequests(f"a key may make {self._per_second} requests a second here")
