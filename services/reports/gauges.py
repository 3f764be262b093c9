"""What waits: for a person, by the database's word, and for the database, by the queue's.

Invariant: a queue that does not answer holds nobody up for long, and is told as not known.
"""

import logging
from functools import lru_cache
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from common.observability.gauges import pending_work
from common.observability.metrics import Metric
from common.settings import settings

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_NOT_KNOWN = float("nan")

logger = logging.getLogger("lead_billing.waiting")


def current_gauges(connection: Connection) -> dict[Metric, float]:
    """Every level there is to tell; the queue's is not a number (NaN) where nobody tells it."""
    return {**pending_work(connection), Metric.QUEUED_NOW: _queued()}


def _queued() -> float:
    queue_url = settings().queue_url
    if queue_url is None:
        return _NOT_KNOWN
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - half a second

    try:
        answer = _client().get_queue_attributes(
            QueueUrl=queue_url,
            AttributeNames=[
                "ApproximateNumberOfMessages",
                "ApproximateNumberOfMessagesDelayed",
                "ApproximateNumberOfMessagesNotVisible",
            ],
        )
    except (BotoCoreError, ClientError) as error:
        logger.warning("the queue's length is not known", exc_info=error)
        return _NOT_KNOWN
    return sum(int(count) for count in answer["Attributes"].values())


@lru_cache(maxsize=1)
def _client() -> "SQSClient":
    import boto3  # noqa: PLC0415 - half a second that only those with a queue have to wait
    from botocore.config import Config  # noqa: PLC0415

    patience = Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 1})
    return boto3.client("sqs", config=patience)
