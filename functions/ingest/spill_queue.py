"""The SQS queue that keeps valid leads while the database is away, and its messages.

Invariant: `enqueue` returns only when every lead is on the queue. A lead may be there twice or in
parts; storing them merges them. A message carries the correlation id of its request.
"""

import random
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import count
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import TypeAdapter, ValidationError

from common.leads.schemas import Action, Lead
from common.normalization import folded_label
from common.observability.correlation import current
from common.problems import DatabaseUnavailable

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageAttributeValueTypeDef

# SQS takes 1 MiB in a message and in a call. A quarter of that is the limit of older queues and of
# emulators, and ten messages of this size fit into a function's event. The rest of 256 KiB is for
# the attributes of ten messages, which count too.
MAX_BYTES = 254 * 1024
_MAX_ENTRIES = 10  # of one call to SQS
_MAX_ATTEMPTS = 3
_MAX_DELAY_SECONDS = 900  # the longest SQS hides a new message
# Requeued every quarter of an hour, a message has then waited for about two weeks.
MAX_RETURNS = 1_300

# A message's attributes: how often it was requeued, and the correlation id of its request.
RETURNS = "returns"
CORRELATION_ID = "correlation_id"

_LEADS = TypeAdapter(list[Lead])


class UnreadableMessage(RuntimeError):
    """A message that `enqueue` did not write."""


def enqueue(leads: Iterable[Lead], queue_url: str) -> None:
    """Puts valid leads on the queue; raises DatabaseUnavailable unless all of them are there."""
    for call in _calls(messages(leads)):
        _send(call, queue_url)


def messages(leads: Iterable[Lead]) -> Iterator[str]:
    """Messages that hold these leads, none above `MAX_BYTES` in UTF-8.

    Raises DatabaseUnavailable for a lead with more equal actions than a message can hold: equal
    actions are numbered, which requires them in one message.
    """
    held: list[str] = []
    size = 2
    for part in (part for lead in leads for part in _parts(lead)):
        bytes_more = len(part.encode()) + 1
        if held and size + bytes_more > MAX_BYTES:
            yield f"[{','.join(held)}]"
            held, size = [], 2
        held.append(part)
        size += bytes_more
    if held:
        yield f"[{','.join(held)}]"


def leads_of(message: str) -> list[Lead]:
    """The leads of a message; raises UnreadableMessage.

    They were valid when they were accepted, so their times are not compared with the clock again.
    """
    try:
        return _LEADS.validate_json(message)
    except ValidationError as error:
        # Without the message's text, which may contain personal data.
        places = [".".join(map(str, detail["loc"])) for detail in error.errors()[:5]]
        raise UnreadableMessage(f"no leads of ours, see {places or 'its form'}") from None


def requeue(message: str, queue_url: str, returns: int) -> None:
    """Puts a message that could not be stored on the queue again, delayed.

    As a new message: SQS counts receives, and one without a database must not bring the message
    nearer to the dead letters. Raises DatabaseUnavailable.
    """
    longest = min(_MAX_DELAY_SECONDS, 5 * 2 ** min(returns, 10))
    try:
        _client().send_message(
            QueueUrl=queue_url,
            MessageBody=message,
            DelaySeconds=random.randint(longest // 2, longest),  # noqa: S311
            MessageAttributes={
                RETURNS: {"DataType": "Number", "StringValue": str(returns + 1)},
                **_correlation(),
            },
        )
    except (BotoCoreError, ClientError) as error:
        raise DatabaseUnavailable("neither database nor queue could be reached") from error


def _correlation() -> dict[str, "MessageAttributeValueTypeDef"]:
    correlation_id = current()
    if correlation_id is None:
        return {}
    return {CORRELATION_ID: {"DataType": "String", "StringValue": correlation_id}}


def _parts(lead: Lead) -> Iterator[str]:
    """The lead as JSON; if it is too long, in parts with some of its actions each."""
    whole = _written(lead)
    if len(whole.encode()) + 2 <= MAX_BYTES:
        yield whole
        return
    held: list[Action] = []
    empty = len(_written(lead.model_copy(update={"actions": []})).encode()) + 2
    size = empty
    for equal in _equal_actions(lead):
        bytes_more = sum(len(_written(action).encode()) + 1 for action in equal)
        if empty + bytes_more > MAX_BYTES:
            raise DatabaseUnavailable("a lead has more equal actions than the queue can take")
        if size + bytes_more > MAX_BYTES:
            yield _written(lead.model_copy(update={"actions": held}))
            held, size = [], empty
        held += equal
        size += bytes_more
    yield _written(lead.model_copy(update={"actions": held}))


def _equal_actions(lead: Lead) -> Iterable[Sequence[Action]]:
    """Its actions in groups that differ by their occurrence only."""
    groups: dict[tuple[object, ...], list[Action]] = {}
    for action in lead.actions:
        same = (folded_label(action.action_type), action.engagement_level, action.timestamp)
        groups.setdefault(same, []).append(action)
    return groups.values()


def _written(part: Lead | Action) -> str:
    # JSON may contain these two characters, SQS may not.
    text = part.model_dump_json(exclude_none=True)
    return text.replace("\ufffe", r"\ufffe").replace("\uffff", r"\uffff")


def _calls(bodies: Iterable[str]) -> Iterator[list[str]]:
    """Messages in groups that one call to SQS can take."""
    held: list[str] = []
    size = 0
    for body in bodies:
        length = len(body.encode())
        if held and (len(held) == _MAX_ENTRIES or size + length > MAX_BYTES):
            yield held
            held, size = [], 0
        held.append(body)
        size += length
    if held:
        yield held


def _send(bodies: list[str], queue_url: str) -> None:
    """Sends all messages, and repeats those that SQS refuses. Raises DatabaseUnavailable."""
    unsent = {str(number): body for number, body in enumerate(bodies)}
    for attempt in count(1):
        try:
            answer = _client().send_message_batch(
                QueueUrl=queue_url,
                Entries=[
                    {"Id": key, "MessageBody": body, "MessageAttributes": _correlation()}
                    for key, body in unsent.items()
                ],
            )
        except (BotoCoreError, ClientError) as error:
            raise DatabaseUnavailable("neither database nor queue could be reached") from error
        for sent in answer.get("Successful", []):
            del unsent[sent["Id"]]
        if not unsent:
            return
        if attempt == _MAX_ATTEMPTS:
            raise DatabaseUnavailable("the queue did not take every lead")
        time.sleep(random.uniform(0, 0.1 * 2**attempt))  # noqa: S311


@lru_cache(maxsize=1)
def _client() -> "SQSClient":
    patience = Config(
        connect_timeout=2, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 2}
    )
    return boto3.client("sqs", config=patience)
