"""Storing valid leads with retries, for the function and for the queue worker.

Invariant: a function here returns only after everything is committed.
"""

import time
from collections.abc import Mapping

from aws_lambda_powertools.utilities.typing import LambdaContext

from common.database.breaker import REST_SECONDS
from common.database.engine import MAX_STATEMENT_SECONDS
from common.leads.ingestion import store_leads
from common.leads.results import Result
from common.leads.schemas import KeyedLead
from common.problems import DatabaseUnavailable
from common.settings import SecretUnreadable, Settings, settings

MAX_SECONDS = MAX_STATEMENT_SECONDS
# Reserved at the end of a call: to queue its leads, to answer, and to wait for a connection that an
# attempt has just begun.
_RESERVE_SECONDS = 10.0

_away_until = 0.0


def known_settings() -> Settings:
    """The process's settings. Raises DatabaseUnavailable while their secret is not at hand."""
    try:
        return settings()
    except SecretUnreadable as error:
        raise DatabaseUnavailable("the database's password is not at hand") from error


def store(
    leads: Mapping[int, KeyedLead], current: Settings, context: LambdaContext
) -> list[Result]:
    """Stores valid leads, and retries until the time of the call ends.

    Raises DatabaseUnavailable when the time is over.
    """
    left = context.get_remaining_time_in_millis() / 1000 - _RESERVE_SECONDS
    if left <= 0:
        raise DatabaseUnavailable("there was no time left to reach the database")
    return store_leads(leads, current, min(left, MAX_SECONDS))


def store_with_circuit_breaker(
    leads: Mapping[int, KeyedLead], current: Settings, context: LambdaContext
) -> list[Result]:
    """Stores valid leads, or fails at once for some seconds after a failure.

    For callers with a queue. Otherwise each request of an outage would occupy its instance of the
    function until the time is over, and the number of instances is limited.
    """
    global _away_until  # noqa: PLW0603 - the state of one instance of the function
    if time.monotonic() < _away_until:
        raise DatabaseUnavailable("the database did not answer a moment ago")
    try:
        return store(leads, current, context)
    except DatabaseUnavailable:
        _away_until = time.monotonic() + REST_SECONDS
        raise
