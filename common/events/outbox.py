"""The outbox: which deliveries are due, and what comes of an attempt.

Invariant: of a customer and a webhook one delivery is sent at a time, in order. One that fails is
tried again with growing pauses. After three days its webhook is disabled, and the event waits.
"""

import logging
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select, text, update
from sqlalchemy.orm import Session

from common.database.sql_loader import load_statement
from common.events.models import Webhook, WebhookDelivery
from common.events.posting import Outcome
from common.events.signing import Message, body_of, secret_of, signed
from common.events.webhooks import disable_webhook
from common.observability.metrics import Metric, record
from common.problems import NotFound
from common.settings import Settings

logger = logging.getLogger("lead_billing.events")

LEASE_SECONDS = 60  # longer than any attempt takes
GIVE_UP_AFTER = timedelta(days=3)
KEPT = timedelta(days=30)
UNDELIVERABLE, GONE = "undeliverable", "gone"
_FIRST_PAUSE_SECONDS = 5.0
_MAX_PAUSE_SECONDS = 3 * 3600.0
_SENDER_PAUSE_SECONDS = 30.0
_DELETED_AT_ONCE = 1_000

_CLAIM = text(load_statement("events", "claim_deliveries"))


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery to attempt: it is this worker's until the lease ends."""

    customer_id: UUID
    delivery_id: UUID
    webhook_id: UUID
    event_type: str
    attempts: int
    failing_since: datetime | None
    attempted_at: datetime
    message: Message


def claim(session: Session, settings: Settings, at_once: int) -> list[Claim]:
    """Takes up to so many due deliveries, one of each customer and webhook, and signs them."""
    rows = session.execute(_CLAIM, {"at_once": at_once, "lease_seconds": LEASE_SECONDS})
    return [
        Claim(
            row.customer_id,
            row.delivery_id,
            row.webhook_id,
            row.event_type,
            row.attempts,
            row.failing_since,
            row.last_attempt_at,
            _message(row, settings),
        )
        for row in rows
    ]


def _message(row: Any, settings: Settings) -> Message:
    salts = [salt for salt in (row.secret_salt, row.previous_salt) if salt is not None]
    keys = [secret_of(row.webhook_id, bytes(salt), settings) for salt in salts]
    body = body_of(row.event_type, row.occurred_at, row.data)
    return signed(row.url, row.message_id, body, keys, row.last_attempt_at)


def note_outcome(session: Session, claimed: Claim, outcome: Outcome) -> None:
    """Writes down what came of an attempt, unless another worker has made one since."""
    if outcome.is_delivered:
        record(Metric.EVENTS_DELIVERED)
        _set(
            session,
            claimed,
            delivered_at=func.clock_timestamp(),
            last_status=outcome.status,
            failing_since=None,
        )
        return
    record(Metric.EVENT_ATTEMPTS_FAILED)
    error = outcome.error or f"answered {outcome.status}"
    logger.info("an event was not delivered", extra=_fields(claimed) | {"error": error})
    failing_since = claimed.failing_since or claimed.attempted_at
    if outcome.status == 410:  # "gone", by the specification: stop at once
        _disable(session, claimed, GONE)
    elif claimed.attempted_at - failing_since >= GIVE_UP_AFTER:
        _disable(session, claimed, UNDELIVERABLE)
    _set(
        session,
        claimed,
        next_attempt_at=_after(pause_seconds(claimed.attempts)),
        failing_since=failing_since,
        last_status=outcome.status,
        last_error=error,
    )


def put_back(session: Session, claimed: Claim) -> None:
    """Gives up a claim that was not attempted: it counts as no failure of the receiver."""
    _set(
        session,
        claimed,
        attempts=claimed.attempts - 1,
        next_attempt_at=_after(_SENDER_PAUSE_SECONDS),
        last_error="not attempted: our sender was away",
    )


def pause_seconds(attempts: int) -> float:
    """The wait after so many failed attempts: 5 seconds, then 4 times as long, with jitter."""
    pause = min(_FIRST_PAUSE_SECONDS * 4.0 ** min(attempts - 1, 20), _MAX_PAUSE_SECONDS)
    return pause * random.uniform(0.5, 1.5)  # noqa: S311


def delete_old(session: Session) -> bool:
    """Deletes what was delivered 30 days ago, some at a time; says whether there was any.

    Events that wait for a webhook which has been disabled for 30 days go too.
    """
    before = func.now() - KEPT
    old = (
        select(WebhookDelivery.customer_id, WebhookDelivery.delivery_id)
        .where(WebhookDelivery.delivered_at < before)
        .limit(_DELETED_AT_ONCE)
    )
    forgotten = (
        select(WebhookDelivery.customer_id, WebhookDelivery.delivery_id)
        .join(Webhook, Webhook.webhook_id == WebhookDelivery.webhook_id)
        .where(
            WebhookDelivery.delivered_at.is_(None),
            WebhookDelivery.occurred_at < before,
            Webhook.disabled_at < before,
        )
        .limit(_DELETED_AT_ONCE)
    )
    keys = [tuple(row) for query in (old, forgotten) for row in session.execute(query)]
    for customer_id, delivery_id in keys:
        session.execute(
            delete(WebhookDelivery).where(
                WebhookDelivery.customer_id == customer_id,
                WebhookDelivery.delivery_id == delivery_id,
            )
        )
    return bool(keys)


def _disable(session: Session, claimed: Claim, because: str) -> None:
    try:
        disable_webhook(session, claimed.webhook_id, None, because)
    except NotFound:  # deleted meanwhile
        return
    record(Metric.WEBHOOKS_DISABLED)
    logger.warning("a webhook was disabled", extra=_fields(claimed) | {"because": because})


def _fields(claimed: Claim) -> dict[str, Any]:
    return {
        "webhook_id": str(claimed.webhook_id),
        "delivery_id": str(claimed.delivery_id),
        "event": claimed.event_type,
        "attempts": claimed.attempts,
    }


def _after(seconds: float) -> ColumnElement[datetime]:
    return func.clock_timestamp() + timedelta(seconds=seconds)


def _set(session: Session, claimed: Claim, **values: Any) -> None:
    session.execute(
        update(WebhookDelivery)
        .where(
            WebhookDelivery.customer_id == claimed.customer_id,
            WebhookDelivery.delivery_id == claimed.delivery_id,
            WebhookDelivery.attempts == claimed.attempts,
            WebhookDelivery.delivered_at.is_(None),
        )
        .values(**values)
        .execution_options(synchronize_session=False)
    )
