"""Sending: the step of the background worker that empties the outbox.

Invariant: what is claimed is attempted and noted, or another worker takes it when its lease ends.
The receivers are called at the same time and the database by one thread.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import lru_cache
from typing import TYPE_CHECKING

from pydantic_core import from_json, to_json

from common.database.transactions import acting_as, transaction
from common.events.outbox import Claim, claim, delete_old, note_outcome, put_back
from common.events.posting import Outcome, post
from common.events.signing import Message
from common.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

logger = logging.getLogger("lead_billing.events")

AT_ONCE = 8
_SECONDS_BETWEEN_LOOKS = 1.0
_SECONDS_BETWEEN_DELETIONS = 3600.0
_last_deletion = [float("-inf")]

Send = Callable[[Message], Outcome]


class SenderAway(Exception):
    """The message was not sent, and the receiver has nothing to do with it."""


def send_events(settings: Settings, stopping: threading.Event) -> bool:
    """Sends what is due, until nothing is; says whether there was anything."""
    send = _sender(settings)
    running: dict[Future[Outcome], Claim] = {}
    was_any = False
    with (
        acting_as("background worker"),
        ThreadPoolExecutor(AT_ONCE, "sending events") as senders,
    ):
        while True:
            claims: list[Claim] = []
            if not stopping.is_set() and len(running) < AT_ONCE:
                with transaction() as session:
                    claims = claim(session, settings, AT_ONCE - len(running))
            running |= {senders.submit(send, each.message): each for each in claims}
            if not running:
                return _delete_old() or was_any
            was_any = True
            done, _ = wait(running, _SECONDS_BETWEEN_LOOKS, FIRST_COMPLETED)
            for future in done:
                _note(running.pop(future), future)


def _note(claimed: Claim, future: Future[Outcome]) -> None:
    try:
        outcome = future.result()
    except SenderAway as error:
        logger.error("the sender of events is away", exc_info=error)
        with transaction() as session:
            put_back(session, claimed)
        return
    with transaction() as session:
        note_outcome(session, claimed, outcome)


def _delete_old() -> bool:
    """About once an hour, until nothing old is left."""
    if time.monotonic() - _last_deletion[0] < _SECONDS_BETWEEN_DELETIONS:
        return False
    with transaction() as session:
        if delete_old(session):
            return True
    _last_deletion[0] = time.monotonic()
    return False


def _sender(settings: Settings) -> Send:
    function = settings.webhook_function
    if function is not None:
        return lambda message: _invoke(function, message)
    return lambda message: post(message, settings.webhooks_to_loopback)


def _invoke(function: str, message: Message) -> Outcome:
    """Has the sender function post the message (functions/webhooks/handler.py)."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - half a second

    try:
        answer = _client().invoke(FunctionName=function, Payload=to_json(message._asdict()))
        if "FunctionError" in answer:
            raise SenderAway(f"the sender function failed: {answer['FunctionError']}")
        return Outcome(**from_json(answer["Payload"].read()))
    except (BotoCoreError, ClientError, OSError) as error:
        raise SenderAway("the sender function could not be called") from error


@lru_cache(maxsize=1)
def _client() -> "LambdaClient":
    import boto3  # noqa: PLC0415 - half a second, for deployments with a sender function only
    from botocore.config import Config  # noqa: PLC0415

    patience = Config(connect_timeout=2, read_timeout=35, retries={"total_max_attempts": 1})
    return boto3.client("lambda", config=patience)
