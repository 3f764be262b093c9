"""Verifying the messages that a webhook is sent, by the Standard Webhooks specification."""

from collections.abc import Mapping
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from .base import Model
from .errors import NotVerified


class Event(Model):
    """What happened: `type` such as `report.finalized`, when, and ids, counts and amounts of it."""

    type: str
    timestamp: str
    data: dict[str, Any]


def verify_webhook(secret: str, headers: Mapping[str, str], body: bytes | str) -> Event:
    """The event of a message that is ours and not older than five minutes.

    `body` is the body as it arrived. A message may arrive twice: with the same `webhook-id`.
    Raises NotVerified.
    """
    known = {name.lower(): value for name, value in headers.items()}
    try:
        return Event.model_validate(Webhook(secret).verify(body, known))
    except (WebhookVerificationError, ValueError) as error:
        raise NotVerified(
            f"this message is not from the webhook of this secret: {error}"
        ) from error
