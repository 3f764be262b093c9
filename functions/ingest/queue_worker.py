"""The queue worker: stores the leads that were queued while the database was away.

Invariant: a message leaves the queue only when its leads are stored or queued again.
"""

from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from common.database.errors import StatementRefused
from common.leads.results import Result, Status
from common.leads.schemas import Lead, with_keys
from common.observability.correlation import correlated, id_of
from common.observability.metrics import NAMESPACE
from common.problems import DatabaseUnavailable
from common.settings import Settings
from functions.ingest.spill_queue import CORRELATION_ID, MAX_RETURNS, RETURNS, leads_of, requeue
from functions.ingest.storage import known_settings, store, store_with_circuit_breaker

logger = Logger(service="lead-billing-queue")
metrics = Metrics(namespace=NAMESPACE, service="lead-billing-queue")
tracer = Tracer(
    service="lead-billing-queue",
    # None: traces inside Lambda only; elsewhere nobody begins a segment.
    disabled=None if Settings().trace else True,
    patch_modules=["botocore"],  # not psycopg2: SQLAlchemy needs the real connections
)
processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)


class LeadsRefused(RuntimeError):
    """Some leads of a message cannot be stored; its other leads are stored."""


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
@tracer.capture_lambda_handler(capture_response=False, capture_error=False)
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Stores each message's leads, and names the messages that failed, which SQS delivers again.

    A message that fails as often as the queue allows becomes a dead letter.
    """
    return process_partial_response(
        event=event, record_handler=_store_message, processor=processor, context=context
    )


@tracer.capture_method(capture_response=False, capture_error=False)
def _store_message(record: SQSRecord, lambda_context: LambdaContext) -> None:
    """Stores a message's leads under the correlation id of the request that posted them."""
    correlation_id = id_of(
        {"x-correlation-id": _attribute(record, CORRELATION_ID)}, otherwise=record.message_id
    )
    logger.set_correlation_id(correlation_id)
    with correlated(correlation_id):
        _store_leads_of(record, lambda_context)


def _store_leads_of(record: SQSRecord, lambda_context: LambdaContext) -> None:
    try:
        leads = leads_of(record.body)
        try:
            _record_results(record, _stored(leads, lambda_context))
        except DatabaseUnavailable:
            _requeue(record)
    except Exception:
        logger.exception("a message failed", extra={"message_id": record.message_id})
        metrics.add_metric(name="QueuedMessagesFailed", unit=MetricUnit.Count, value=1)
        raise


def _stored(leads: list[Lead], context: LambdaContext) -> list[Result]:
    current = known_settings()
    keyed = {index: with_keys(lead, current) for index, lead in enumerate(leads)}
    try:
        return store_with_circuit_breaker(keyed, current, context)
    except StatementRefused:
        if len(leads) == 1:
            raise
    # One refused lead fails the whole statement, so store each lead by itself.
    results, refused = [], None
    for index, lead in keyed.items():
        try:
            results += store({index: lead}, current, context)
        except StatementRefused as error:
            refused = error
    if refused is not None:
        raise refused
    return results


def _requeue(record: SQSRecord) -> None:
    returns = int(_attribute(record, RETURNS) or 0)
    if returns >= MAX_RETURNS:
        raise TimeoutError("the message has waited as long as it may")
    requeue(record.body, str(Settings().queue_url), returns)
    metrics.add_metric(name="QueuedMessagesRequeued", unit=MetricUnit.Count, value=1)
    logger.warning(
        "the database is away: a message was requeued",
        extra={"message_id": record.message_id, "returns": returns + 1},
    )


def _attribute(record: SQSRecord, name: str) -> str:
    attribute = record.message_attributes[name]
    return (attribute and attribute.string_value) or ""


def _record_results(record: SQSRecord, results: list[Result]) -> None:
    counts = {status: sum(r.status is status for r in results) for status in Status}
    for status, count in counts.items():
        if count:
            metrics.add_metric(name=status.metric, unit=MetricUnit.Count, value=count)
    logger.info("queued leads stored", extra={"message_id": record.message_id, "leads": counts})
    refused = [r for r in results if r.status in {Status.CONFLICT, Status.INVALID}]
    if refused:
        codes = sorted({f"{error.pointer} {error.code}" for r in refused for error in r.errors})
        raise LeadsRefused(
            f"{len(refused)} of {len(results)} leads were refused: {', '.join(codes)}"
        )
