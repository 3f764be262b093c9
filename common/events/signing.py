"""Signing: the secrets of webhooks, and messages by the Standard Webhooks specification.

Invariant: no secret is stored. It is derived from a salt in the database and from the user hash
key, which is not in the database, so neither the database nor a listing gives one away.
"""

import base64
import hmac
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from pydantic_core import to_json
from standardwebhooks import Webhook as Signer

from common.billing_period import instant
from common.settings import Settings
from common.version import VERSION

_SALT_BYTES = 16


class Message(NamedTuple):
    """A signed request to a webhook's address."""

    url: str
    headers: dict[str, str]
    body: str


def new_salt() -> bytes:
    return secrets.token_bytes(_SALT_BYTES)


def secret_of(webhook_id: UUID, salt: bytes, settings: Settings) -> str:
    """The secret that a receiver verifies with: `whsec_` and 32 bytes in base64."""
    key = hmac.digest(settings.user_secret, b"lead-billing webhook secrets", "sha256")
    secret = hmac.digest(key, webhook_id.bytes + salt, "sha256")
    return "whsec_" + base64.b64encode(secret).decode()


def body_of(event_type: str, occurred_at: datetime, data: Mapping[str, Any]) -> str:
    """What the receiver gets: type, timestamp and data of an event."""
    event = {"type": event_type, "timestamp": instant(occurred_at.astimezone(UTC)), "data": data}
    return to_json(event).decode()


def signed(url: str, message_id: UUID, body: str, keys: list[str], now: datetime) -> Message:
    """A message with one signature for each secret."""
    signatures = [Signer(key).sign(str(message_id), now.astimezone(UTC), body) for key in keys]
    headers = {
        "content-type": "application/json",
        "user-agent": f"LeadBilling/{VERSION}",
        "webhook-id": str(message_id),
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
    return Message(url, headers, body)
