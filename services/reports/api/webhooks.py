"""/webhooks: the addresses that are told about events, and what they were told."""

from datetime import timedelta
from functools import partial
from uuid import UUID

from fastapi import Request, Response

from common.database.transactions import transaction
from common.events import deliveries, webhooks
from common.events.deliveries import DeliveryStatus
from common.settings import settings
from services.reports.api.dependencies import Cursor, PageSize, Snapshot
from services.reports.api.pagination import DELIVERIES, WEBHOOKS
from services.reports.api.schemas.webhooks import (
    Delivery,
    DeliveryList,
    NewWebhook,
    RotationBody,
    Webhook,
    WebhookBody,
    WebhookList,
)
from services.reports.http.authorization import changing_own, principal_of
from services.reports.http.routes import Router

router = Router(prefix="/webhooks", tags=["webhooks"])


@router.get("")
def list_webhooks(
    request: Request, session: Snapshot, limit: PageSize = 50, cursor: Cursor = None
) -> WebhookList:
    """The webhooks, newest first. A key of a customer gets that customer's."""
    find = partial(webhooks.list_webhooks, session, principal_of(request).customer_id)
    rows, next_cursor = WEBHOOKS.page(find, cursor, limit)
    return WebhookList(data=[Webhook.from_webhook(row) for row in rows], next_cursor=next_cursor)


@router.post("", status_code=201)
def create_webhook(request: Request, body: WebhookBody, response: Response) -> NewWebhook:
    """Creates a webhook. `secret` is shown in this answer only."""
    with changing_own(request) as owner:
        webhook, secret = webhooks.create_webhook(
            body.url,
            body.events,
            customer=body.customer_id,
            owner=owner,
            settings=settings(),
        )
    response.headers["Cache-Control"] = "no-store"
    return NewWebhook.from_webhook(webhook, secret=secret)


@router.get("/{webhook_id}")
def show_webhook(request: Request, session: Snapshot, webhook_id: UUID) -> Webhook:
    """One webhook."""
    owner = principal_of(request).customer_id
    return Webhook.from_webhook(webhooks.get_webhook(session, webhook_id, owner))


@router.delete("/{webhook_id}", status_code=204)
def delete_webhook(request: Request, webhook_id: UUID) -> None:
    """Deletes a webhook and its deliveries, those that wait too."""
    with changing_own(request) as owner, transaction() as session:
        webhooks.delete_webhook(session, webhook_id, owner)


@router.post("/{webhook_id}/rotate", status_code=201)
def rotate_secret(
    request: Request, webhook_id: UUID, response: Response, body: RotationBody | None = None
) -> NewWebhook:
    """Makes a new secret. For `overlap_hours`, messages carry a signature of the old one too."""
    overlap = timedelta(hours=(body or RotationBody()).overlap_hours)
    with changing_own(request) as owner, transaction() as session:
        webhook, secret = webhooks.rotate_secret(session, webhook_id, owner, settings(), overlap)
    response.headers["Cache-Control"] = "no-store"
    return NewWebhook.from_webhook(webhook, secret=secret)


@router.post("/{webhook_id}/disable")
def disable_webhook(request: Request, webhook_id: UUID) -> Webhook:
    """Stops sending. Events wait, for 30 days at least."""
    with changing_own(request) as owner, transaction() as session:
        return Webhook.from_webhook(webhooks.disable_webhook(session, webhook_id, owner))


@router.post("/{webhook_id}/enable")
def enable_webhook(request: Request, webhook_id: UUID) -> Webhook:
    """Sends again, first the events that wait."""
    with changing_own(request) as owner, transaction() as session:
        return Webhook.from_webhook(webhooks.enable_webhook(session, webhook_id, owner))


@router.get("/{webhook_id}/deliveries")
def list_deliveries(
    request: Request,
    session: Snapshot,
    webhook_id: UUID,
    status: DeliveryStatus | None = None,
    limit: PageSize = 50,
    cursor: Cursor = None,
) -> DeliveryList:
    """What a webhook was told in the last 30 days, and what waits; newest first."""
    owner = principal_of(request).customer_id
    find = partial(deliveries.list_deliveries, session, webhook_id, owner, status=status)
    rows, next_cursor = DELIVERIES.page(find, cursor, limit, (webhook_id, status))
    return DeliveryList(data=[Delivery.from_delivery(row) for row in rows], next_cursor=next_cursor)


@router.post("/{webhook_id}/deliveries/{delivery_id}/redeliver", status_code=202)
def redeliver(request: Request, webhook_id: UUID, delivery_id: UUID) -> Delivery:
    """Sends an event again, with the same `webhook-id`.

    One that was delivered becomes a new delivery; one that was not is tried at once.
    """
    with changing_own(request) as owner, transaction() as session:
        return Delivery.from_delivery(deliveries.redeliver(session, webhook_id, delivery_id, owner))
