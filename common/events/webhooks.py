"""Webhooks: the addresses that are told about events, and their secrets.

Invariant: `owner` is the customer that a caller is limited to, and nobody finds or changes a
webhook of somebody else. A secret is returned when it is made, and never again.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import delete, func, select, tuple_, update
from sqlalchemy.orm import Session

from common import identifiers
from common.audit_log import record_change
from common.catalog.customers import get_customer
from common.database.transactions import transaction
from common.events.addresses import require_address
from common.events.event_types import EventType
from common.events.models import Webhook, WebhookDelivery
from common.events.signing import new_salt, secret_of
from common.problems import Conflict, NotFound
from common.settings import Settings

MAX_WEBHOOKS = 20  # of a customer, and of the operator
ROTATION_OVERLAP = timedelta(hours=24)


class WebhookPlace(NamedTuple):
    """The position of a webhook in the list, for a cursor."""

    created_at: datetime
    webhook_id: UUID


def create_webhook(
    url: str,
    events: Collection[EventType],
    *,
    customer: str | None,
    owner: UUID | None,
    settings: Settings,
) -> tuple[Webhook, str]:
    """A new webhook, committed, and its secret.

    `customer` is whose events it is told, those of all if it is None. A caller that is limited to a
    customer creates webhooks of that customer. Raises Invalid for an address that is not allowed
    (addresses.py), NotFound, and Conflict if there are too many.
    """
    # Before the transaction: a name may take seconds to look up.
    checked = require_address(url, settings.webhooks_to_loopback)
    with transaction() as session:
        customer_id = owner
        if customer is not None:
            if owner is not None and identifiers.customer_id(customer) != owner:
                raise NotFound(f"no customer {customer!r} is registered")
            customer_id = get_customer(session, customer).customer_id
        query = select(func.count()).where(Webhook.customer_id.is_not_distinct_from(customer_id))
        if session.scalars(query).one() >= MAX_WEBHOOKS:
            raise Conflict(f"there are {MAX_WEBHOOKS} webhooks already: delete one first")
        webhook = Webhook(
            customer_id=customer_id,
            url=checked,
            events=sorted({event.value for event in events}),
            secret_salt=new_salt(),
        )
        session.add(webhook)
        session.flush()
        session.refresh(webhook)
        record_change(session, "created", "webhook", webhook.webhook_id, after=_audited(webhook))
        return webhook, secret_of(webhook.webhook_id, webhook.secret_salt, settings)


def get_webhook(session: Session, webhook_id: UUID, owner: UUID | None) -> Webhook:
    """Raises NotFound."""
    return _found(session.get(Webhook, webhook_id), webhook_id, owner)


def list_webhooks(
    session: Session, owner: UUID | None, after: WebhookPlace | None, limit: int
) -> list[Webhook]:
    """At most `limit` webhooks, the newest first, after `after`."""
    order = (Webhook.created_at, Webhook.webhook_id)
    query = select(Webhook).order_by(*(column.desc() for column in order)).limit(limit)
    if owner is not None:
        query = query.where(Webhook.customer_id == owner)
    if after is not None:
        query = query.where(tuple_(*order) < tuple(after))
    return list(session.scalars(query))


def rotate_secret(
    session: Session,
    webhook_id: UUID,
    owner: UUID | None,
    settings: Settings,
    overlap: timedelta = ROTATION_OVERLAP,
) -> tuple[Webhook, str]:
    """The webhook with a new secret. Both secrets sign for `overlap`, then the new one alone.

    Raises NotFound.
    """
    webhook = _locked(session, webhook_id, owner)
    before = _audited(webhook)
    until = session.scalars(select(func.clock_timestamp() + overlap)).one()
    webhook.previous_salt, webhook.previous_until = webhook.secret_salt, until
    webhook.secret_salt = new_salt()
    session.flush()
    record_change(session, "rotated", "webhook", webhook_id, before=before, after=_audited(webhook))
    return webhook, secret_of(webhook_id, webhook.secret_salt, settings)


def disable_webhook(
    session: Session, webhook_id: UUID, owner: UUID | None, because: str | None = None
) -> Webhook:
    """Stops sending. Events wait, and are sent once the webhook is enabled. Raises NotFound."""
    webhook = _locked(session, webhook_id, owner)
    if webhook.disabled_at is None:
        before = _audited(webhook)
        webhook.disabled_at = session.scalars(select(func.clock_timestamp())).one()
        webhook.disabled_because = because
        session.flush()
        record_change(
            session, "disabled", "webhook", webhook_id, before=before, after=_audited(webhook)
        )
    return webhook


def enable_webhook(session: Session, webhook_id: UUID, owner: UUID | None) -> Webhook:
    """Sends again, first what waits. Raises NotFound."""
    webhook = _locked(session, webhook_id, owner)
    if webhook.disabled_at is not None:
        before = _audited(webhook)
        webhook.disabled_at = webhook.disabled_because = None
        session.flush()
        session.execute(
            update(WebhookDelivery)
            .where(WebhookDelivery.webhook_id == webhook_id, WebhookDelivery.delivered_at.is_(None))
            .values(attempts=0, failing_since=None, next_attempt_at=func.clock_timestamp())
            .execution_options(synchronize_session=False)
        )
        record_change(
            session, "enabled", "webhook", webhook_id, before=before, after=_audited(webhook)
        )
    return webhook


def delete_webhook(session: Session, webhook_id: UUID, owner: UUID | None) -> None:
    """Deletes a webhook with its deliveries, those that wait too. Raises NotFound."""
    before = _audited(_locked(session, webhook_id, owner))
    session.execute(delete(Webhook).where(Webhook.webhook_id == webhook_id))
    record_change(session, "deleted", "webhook", webhook_id, before=before, after=None)


def _locked(session: Session, webhook_id: UUID, owner: UUID | None) -> Webhook:
    found = session.get(Webhook, webhook_id, with_for_update={"of": Webhook})
    return _found(found, webhook_id, owner)


def _found(webhook: Webhook | None, webhook_id: UUID, owner: UUID | None) -> Webhook:
    if webhook is None or (owner is not None and webhook.customer_id != owner):
        raise NotFound(f"there is no webhook {webhook_id}")
    return webhook


def _audited(webhook: Webhook) -> dict[str, Any]:
    """Without what may be secret: the salts, and the path and query of the address."""
    columns = ("events", "disabled_at", "disabled_because", "previous_until")
    return {column: getattr(webhook, column) for column in columns} | {
        "host": urlsplit(webhook.url).netloc,
        "customer_id": webhook.customer and webhook.customer.external_id,
    }
