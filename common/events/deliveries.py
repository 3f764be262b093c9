"""Deliveries: what each webhook was told, and what waits to be sent."""

from enum import StrEnum
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from common.events.models import WebhookDelivery
from common.events.webhooks import get_webhook
from common.problems import Conflict, NotFound


class DeliveryStatus(StrEnum):
    """How far a delivery is."""

    WAITING = "waiting"
    FAILING = "failing"
    DELIVERED = "delivered"


def status_of(delivery: WebhookDelivery) -> DeliveryStatus:
    if delivery.delivered_at is not None:
        return DeliveryStatus.DELIVERED
    return DeliveryStatus.WAITING if delivery.failing_since is None else DeliveryStatus.FAILING


def list_deliveries(
    session: Session,
    webhook_id: UUID,
    owner: UUID | None,
    after: int | None,
    limit: int,
    *,
    status: DeliveryStatus | None = None,
) -> list[WebhookDelivery]:
    """At most `limit` deliveries of a webhook, the newest first, after the position `after`.

    Raises NotFound.
    """
    get_webhook(session, webhook_id, owner)
    query = (
        select(WebhookDelivery)
        .where(WebhookDelivery.webhook_id == webhook_id)
        .order_by(WebhookDelivery.position.desc())
        .limit(limit)
    )
    if after is not None:
        query = query.where(WebhookDelivery.position < after)
    match status:
        case DeliveryStatus.DELIVERED:
            query = query.where(WebhookDelivery.delivered_at.is_not(None))
        case DeliveryStatus.FAILING:
            query = query.where(
                WebhookDelivery.delivered_at.is_(None), WebhookDelivery.failing_since.is_not(None)
            )
        case DeliveryStatus.WAITING:
            query = query.where(
                WebhookDelivery.delivered_at.is_(None), WebhookDelivery.failing_since.is_(None)
            )
    return list(session.scalars(query))


def redeliver(
    session: Session, webhook_id: UUID, delivery_id: UUID, owner: UUID | None
) -> WebhookDelivery:
    """Sends an event again, with the same message id: a new delivery behind those that wait.

    One that is not delivered yet stays where it is, and is tried at once. Raises NotFound, and
    Conflict for a disabled webhook.
    """
    webhook = get_webhook(session, webhook_id, owner)
    found = session.scalars(
        select(WebhookDelivery).where(
            WebhookDelivery.webhook_id == webhook_id, WebhookDelivery.delivery_id == delivery_id
        )
    ).one_or_none()
    if found is None:
        raise NotFound(f"the webhook has no delivery {delivery_id}")
    if webhook.disabled_at is not None:
        raise Conflict("the webhook is disabled: enable it first")
    if found.delivered_at is None:
        statement = (
            update(WebhookDelivery)
            .where(
                WebhookDelivery.customer_id == found.customer_id,
                WebhookDelivery.delivery_id == delivery_id,
                WebhookDelivery.delivered_at.is_(None),
                # One that is being sent has no error yet.
                WebhookDelivery.last_error.is_not(None) | (WebhookDelivery.attempts == 0),
            )
            .values(next_attempt_at=func.clock_timestamp())
        )
        session.execute(statement.execution_options(synchronize_session=False))
        session.refresh(found)
        return found
    copied = ("customer_id", "webhook_id", "owner_id", "message_id", "event_type", "data")
    values = {name: getattr(found, name) for name in (*copied, "occurred_at")}
    again = insert(WebhookDelivery).values(**values).returning(WebhookDelivery)
    return session.scalars(again).one()
