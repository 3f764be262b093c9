"""The function that hears of files in the bucket: it notes them, and imports none.

The background worker imports them, however large they are
(docs/decisions/0027-uploads-in-the-background.md). S3 tells a queue, so what cannot be noted while
the database is away is delivered again.

Invariant: a message leaves the queue only when its files are noted, and twice noted is once.
"""

from typing import Any
from urllib.parse import unquote_plus

from aws_lambda_powertools import Logger, Tracer
from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from common.imports.uploads import note_object
from common.settings import Settings

SERVICE = "lead-billing-imports"

logger = Logger(service=SERVICE)
tracer = Tracer(
    service=SERVICE,
    disabled=None if Settings().trace else True,
    patch_modules=["botocore"],
)
processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False, capture_error=False)
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Notes the files that each message names, and answers with the messages that failed."""
    return process_partial_response(
        event=event, record_handler=_note, processor=processor, context=context
    )


def _note(record: SQSRecord) -> None:
    told = record.decoded_nested_s3_event
    if told.get("Event") == "s3:TestEvent":  # S3 sends it when it is told of the queue
        return
    try:
        for entry in told.records:
            stored = entry.s3.get_object
            key = unquote_plus(stored.key)
            if key.endswith("/"):  # a folder that somebody made in the AWS console
                continue
            is_new = note_object(key, stored.size, stored.sequencer)
            logger.info("a file is in the bucket", extra={"is_new": is_new})
    except Exception:
        logger.exception("a message failed", extra={"message_id": record.message_id})
        raise
