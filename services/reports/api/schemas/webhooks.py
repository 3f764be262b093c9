"""Webhooks and what they were told, without the secrets they sign with."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints

from common.events import models
from common.events.addresses import MAX_URL_LENGTH
from common.events.deliveries import DeliveryStatus, status_of
from common.events.event_types import EventType
from common.request_model import NO_NUL, Id, RequestModel
from services.reports.api.schemas.answer import Answer, Page, Uuid
from services.reports.api.schemas.keys import RotationBody

__all__ = ["RotationBody"]


class WebhookBody(RequestModel):
    """A webhook to create. With `customer_id` it is told that customer's events alone."""

    url: Annotated[
        str, StringConstraints(min_length=1, max_length=MAX_URL_LENGTH, pattern=NO_NUL)
    ] = Field(
        description="An https address on the public internet.",
        examples=["https://hooks.partner.example/billing"],
    )
    events: list[EventType] = Field(
        min_length=1, max_length=len(EventType), description="The types of event that it is told."
    )
    customer_id: Id | None = Field(
        default=None, description="For a key of no customer; without it, of all customers."
    )


class Webhook(Answer):
    """An address that is told about events."""

    webhook_id: Uuid
    customer_id: str | None = Field(description="Null: it is told the events of all customers.")
    url: str
    events: list[EventType]
    status: Literal["enabled", "disabled"]
    disabled_at: datetime | None
    disabled_because: Literal["undeliverable", "gone"] | None = Field(
        description="Undeliverable: an event could not be delivered for 3 days. Gone: the receiver "
        "answered 410. Null: a person disabled it."
    )
    previous_secret_until: datetime | None = Field(
        description="Until then, messages are signed with the secret before the rotation too."
    )
    created_at: datetime

    @classmethod
    def from_webhook(cls, stored: models.Webhook, **others: Any) -> Self:
        return cls(
            webhook_id=stored.webhook_id,
            customer_id=stored.customer and stored.customer.external_id,
            url=stored.url,
            events=stored.events,
            status="disabled" if stored.disabled_at else "enabled",
            disabled_at=stored.disabled_at,
            disabled_because=stored.disabled_because,
            previous_secret_until=stored.previous_until,
            created_at=stored.created_at,
            **others,
        )


class NewWebhook(Webhook):
    """A webhook with a new secret, which is shown in this answer only."""

    secret: str = Field(description="Verifies signatures; `whsec_` and base64.")


class WebhookList(Page[Webhook]):
    """A page of webhooks, newest first."""


class Delivery(Answer):
    """An event that a webhook is told, and how far that is."""

    delivery_id: Uuid
    message_id: Uuid = Field(description="The header `webhook-id`, also when it is sent again.")
    event: EventType
    occurred_at: datetime
    data: dict[str, Any]
    status: DeliveryStatus
    attempts: int
    last_attempt_at: datetime | None
    last_status: int | None = Field(description="The status of the receiver's last answer.")
    last_error: str | None = Field(description="Why the last attempt failed.")
    next_attempt_at: datetime | None = Field(description="Null once it is delivered.")
    delivered_at: datetime | None

    @classmethod
    def from_delivery(cls, stored: models.WebhookDelivery) -> "Delivery":
        return cls(
            delivery_id=stored.delivery_id,
            message_id=stored.message_id,
            event=stored.event_type,
            occurred_at=stored.occurred_at,
            data=stored.data,
            status=status_of(stored),
            attempts=stored.attempts,
            last_attempt_at=stored.last_attempt_at,
            last_status=stored.last_status,
            last_error=stored.last_error,
            next_attempt_at=None if stored.delivered_at else stored.next_attempt_at,
            delivered_at=stored.delivered_at,
        )


class DeliveryList(Page[Delivery]):
    """A page of deliveries, newest first."""
