"""Storing valid leads with retries, for the function and for the queue worker.

Invariant: a function here returns only after everything is committed.
"""

import time
from collections.abc import Mapping

from aws_lambda_powertools.utilities.typing import LambdaContext
from sqlalchemy.orm import Session

from common.database.retry import with_retries
from common.leads.ingestion import ingest_leads
from common.leads.results import Result
from common.leads.schemas import Lead
from common.problems import DatabaseUnavailable
from common.settings import settings

MAX_SECONDS = 12.0
# Reserved at the end of a call: to queue its leads, to answer, and to wait for a connection that an
# attempt has just begun.
_RESERVE_SECONDS = 10.0

_REST_SECONDS = 3.0
_away_until = 0.0


def store(leads: Mapping[int, Lead], context: LambdaContext) -> list[Result]:
    """Stores valid leads, and retries until the time of the call ends.

    Raises DatabaseUnavailable when the time is over.
    """

    def work(session: Session) -> list[Result]:
        return ingest_leads(session, leads, settings())

    left = context.get_remaining_time_in_millis() / 1000 - _RESERVE_SECONDS
    if left <= 0:
        raise DatabaseUnavailable("there was no time left to reach the database")
    return with_retries(work, min(left, MAX_SECONDS))


def store_with_circuit_breaker(leads: Mapping[int, Lead], context: LambdaContext) -> list[Result]:
    """Stores valid leads, or fails at once for some seconds after a failure.

    For callers with a queue. Otherwise each request of an outage would occupy its instance of the
    function until the time is over, and the number of instances is limited.
    """
    global _away_until  # noqa: PLW0603 - the state of one instance of the function
    if time.monotonic() < _away_until:
        raise DatabaseUnavailable("the database did not answer a moment ago")
    try:
        return store(leads, context)
    except DatabaseUnavailable:
        _away_until = time.monotonic() + _REST_SECONDS
        raise
