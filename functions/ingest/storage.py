"""Storing valid leads, patiently: what the function and the queue's function do alike.

Invariant: it returns only when everything it answers for is committed.
"""

import time
from collections.abc import Mapping

from aws_lambda_powertools.utilities.typing import LambdaContext
from sqlalchemy import Connection

from common.database.retry import with_retries
from common.leads.ingestion import ingest_leads
from common.leads.results import Result
from common.leads.schemas import Lead
from common.problems import DatabaseUnavailable
from common.settings import settings

MAX_SECONDS = 12.0
# What is kept of a call's time for putting its leads on the queue and answering, beside the
# connection that an attempt may have begun just before its end.
_RESERVE_SECONDS = 10.0

_REST_SECONDS = 3.0
_away_until = 0.0


def store(leads: Mapping[int, Lead], context: LambdaContext) -> list[Result]:
    """Stores valid leads, as `record_leads` does, and tries again within the call's time.

    Raises DatabaseUnavailable when that time is not enough.
    """

    def work(connection: Connection) -> list[Result]:
        return ingest_leads(connection, leads, settings())

    left = context.get_remaining_time_in_millis() / 1000 - _RESERVE_SECONDS
    if left <= 0:
        raise DatabaseUnavailable("there was no time left to reach the database")
    return with_retries(work, min(left, MAX_SECONDS))


def store_with_circuit_breaker(leads: Mapping[int, Lead], context: LambdaContext) -> list[Result]:
    """The same, but for some seconds after a failure it fails at once: for those with a queue.

    Without that each request of an outage would hold its instance of the function until its time
    is over, and there are only so many instances.
    """
    global _away_until  # noqa: PLW0603 - what one instance of the function has noticed
    if time.monotonic() < _away_until:
        raise DatabaseUnavailable("the database did not answer a moment ago")
    try:
        return store(leads, context)
    except DatabaseUnavailable:
        _away_until = time.monotonic() + _REST_SECONDS
        raise
