"""When a request is sent again, and after which pause.

A request that may have been received is sent again too: a GET, PUT or DELETE, leads, and a POST
with its idempotency key do their work once.
"""

import random
from dataclasses import dataclass

import httpx

_AGAIN = {429, 502, 503, 504}


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a request is tried, and how long the pauses are.

    A pause is random, up to `first_pause` seconds, and each further one up to twice as long, at
    most `longest_pause`. If the server names a pause (`Retry-After`), it is at least that long;
    if that is more than `longest_wait` seconds, the request is not sent again.
    """

    tries: int = 5
    first_pause: float = 0.5
    longest_pause: float = 10.0
    longest_wait: float = 60.0

    def pause(self, tried: int, failure: httpx.Response | httpx.TransportError) -> float | None:
        """Seconds until the next try after `tried` ones; None: there is none."""
        if tried >= self.tries or not _may_pass(failure):
            return None
        longest = min(self.longest_pause, self.first_pause * 2 ** (tried - 1))
        named = _retry_after(failure)
        if named > self.longest_wait:
            return None
        return named + random.uniform(0, longest)  # noqa: S311 - so that clients do not come at once


def _may_pass(failure: httpx.Response | httpx.TransportError) -> bool:
    if isinstance(failure, httpx.TransportError):
        return True
    # A 409 names a pause where the first try of the same request is still being worked on.
    is_worked_on = failure.status_code == 409 and "retry-after" in failure.headers
    return is_worked_on or failure.status_code in _AGAIN


def _retry_after(failure: httpx.Response | httpx.TransportError) -> float:
    if isinstance(failure, httpx.Response):
        text = failure.headers.get("retry-after", "")
        return float(text) if text.isdecimal() else 0.0
    return 0.0
