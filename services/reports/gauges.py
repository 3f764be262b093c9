"""The gauges of pending work: of the database, and of the spill queue.

Invariant: a queue that does not answer costs 3 seconds at most, and its gauge is NaN.
"""

import logging
from functools import lru_cache
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from common.observability.metrics import Metric
from common.reports.gauges import read_gauges
from common.settings import settings

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_UNKNOWN = float("nan")

logger = logging.getLogger("lead_billing.waiting")


def current_gauges(session: Session) -> dict[Metric, float]:
    """Every gauge. The queue's is NaN if there is no queue or it does not answer."""
    return {**read_gauges(session), Metric.QUEUED_NOW: _queued_messages()}


def _queued_messages() -> float:
    queue_url = settings().queue_url
    if queue_url is None:
        return _UNKNOWN
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
        return _UNKNOWN
    return sum(int(count) for count in answer["Attributes"].values())


@lru_cache(maxsize=1)
def _client() -> "SQSClient":
    import boto3  # noqa: PLC0415 - half a second, for deployments with a queue only
    from botocore.config import Config  # noqa: PLC0415

    patience = Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 1})
    return boto3.client("sqs", config=patience)
