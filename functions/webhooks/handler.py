"""The sender function: posts one signed message to a webhook's address.

It runs outside the VPC, where there is a way to the internet, and has no rights and no secrets. The
background worker, inside, picks and signs the message and notes the outcome
(docs/decisions/0025-webhooks-from-an-outbox.md).
"""

from typing import Any

from common.events.posting import post
from common.events.signing import Message


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """`event` is a message: its url, headers and body. Returns the outcome."""
    return post(Message(**event))._asdict()
