"""Budgets: what each key may ask for in a time, in units of work.

Invariant: a bucket is this process's own. With n processes a key gets n times as much at the most.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from threading import Lock
from typing import NamedTuple

from common.problems import TooManyRequests

_MAX_BUCKETS = 10_000


@dataclass(frozen=True, slots=True)
class Budget:
    """What is left of a key's budget after a request."""

    limit: int
    remaining: int
    full_in_seconds: int
    wait_seconds: int = 0  # until the request could be made; 0: it was

    @property
    def headers(self) -> dict[str, str]:
        told = {
            "X-RateLimit-Limit": self.limit,
            "X-RateLimit-Remaining": self.remaining,
            "X-RateLimit-Reset": self.full_in_seconds,
        }
        if self.wait_seconds:
            told["Retry-After"] = self.wait_seconds
        return {name: str(value) for name, value in told.items()}

    @property
    def refusal(self) -> TooManyRequests | None:
        """Why the request is refused, unless it was within the budget."""
        if not self.wait_seconds:
            return None
        return TooManyRequests(
            f"the key has spent its budget of {self.limit} units here; more come each second"
        )


class Spent(NamedTuple):
    """What a request left of the budget of its key, as headers, and why it is refused, if it is."""

    headers: dict[str, str]
    refusal: TooManyRequests | None


class Buckets:
    """A token bucket per key. A bucket holds `size` units, and is full again in `seconds`."""

    def __init__(
        self, size: int, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._size = size
        self._per_second = size / seconds
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = Lock()

    def take(self, key_id: str, units: int = 1) -> Budget:
        """Takes units, if so many are left. A request that costs more than a bucket costs one."""
        cost = min(units, self._size)
        with self._lock:
            now = self._clock()
            left = self._left(key_id, now)
            missing = cost - left
            if missing <= 0:
                left -= cost
            self._buckets[key_id] = (left, now)
            self._buckets.move_to_end(key_id)
            while len(self._buckets) > _MAX_BUCKETS:
                self._buckets.popitem(last=False)
        full_in = ceil((self._size - left) / self._per_second)
        wait = ceil(missing / self._per_second) if missing > 0 else 0
        return Budget(self._size, int(left), full_in, wait)

    def is_empty(self, key_id: str) -> bool:
        """Whether not even one unit is left."""
        with self._lock:
            return self._left(key_id, self._clock()) < 1

    def _left(self, key_id: str, now: float) -> float:
        left, at = self._buckets.get(key_id, (float(self._size), now))
        return min(self._size, left + (now - at) * self._per_second)
