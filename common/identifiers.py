"""The callers' ids and our UUIDs, and the key a user is billed under.

Invariant: the same text always gives the same UUID, in every process and for ever
(docs/billing-rules.md, Ids), so that an id never has to be looked up before it is stored.
"""

import hmac
import re
import uuid
from enum import StrEnum
from functools import lru_cache

from common.normalization import email_key, external_id_key, phone_key, reads_as_phone

MAX_ID_LENGTH = 128

_CANONICAL_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

CUSTOMERS = uuid.uuid5(uuid.NAMESPACE_URL, "urn:lead-billing:customer")
PRODUCTS = uuid.uuid5(uuid.NAMESPACE_URL, "urn:lead-billing:product")
REPORTS = uuid.uuid5(uuid.NAMESPACE_URL, "urn:lead-billing:report")
# Stands where a customer's UUID would, for what is of no customer.
NO_CUSTOMER = uuid.UUID(int=0)


class UserKind(StrEnum):
    """What a user is known by, in order of preference (docs/billing-rules.md, Who is who)."""

    EMAIL = "email"
    PHONE = "phone"
    EXTERNAL_ID = "external_id"
    NOBODY = "nobody"
    LEAD = "lead"


def entity_id(namespace: uuid.UUID, external_id: str) -> uuid.UUID:
    """The UUID of a caller's id: itself when it is one, else a UUIDv5 of the text."""
    return canonical_uuid(external_id) or uuid.uuid5(namespace, external_id)


def canonical_uuid(text: str) -> uuid.UUID | None:
    """The UUID that a text in canonical form (8-4-4-4-12 hex digits, any case) is, if it is one."""
    if len(text) == 36 and _CANONICAL_UUID.fullmatch(text):
        return uuid.UUID(text)
    return None


@lru_cache(maxsize=4096)
def customer_id(external_id: str) -> uuid.UUID:
    """The UUID of a customer's id."""
    return entity_id(CUSTOMERS, external_id)


@lru_cache(maxsize=4096)
def product_id(external_id: str) -> uuid.UUID:
    """The UUID of a product's id."""
    return entity_id(PRODUCTS, external_id)


def lead_id(customer: uuid.UUID, external_id: str) -> uuid.UUID:
    """The UUID of a customer's lead: of the id's text as it was sent, whatever form it has.

    So the same id at two customers is two leads, and no customer can take an id from another.
    """
    return uuid.uuid5(customer, external_id)


def lead_ids(customer: uuid.UUID, text: str) -> list[uuid.UUID]:
    """The UUIDs that an id of a customer's lead may stand for: as it was sent, then as our own."""
    ours = canonical_uuid(text)
    return [lead_id(customer, text), *([ours] if ours else [])]


def report_id(customer: uuid.UUID, period: str) -> uuid.UUID:
    """The UUID of the one report a customer has for a period ("2024-04")."""
    return uuid.uuid5(REPORTS, f"{customer}/{period}")


def user_key(secret: bytes, customer: uuid.UUID, kind: UserKind, value: str = "") -> uuid.UUID:
    """The key a user is billed under: an HMAC, so that it gives the person away to nobody.

    The customer is part of it: the same email at two customers is two users.
    """
    digest = hmac.digest(
        secret, b"%b%b\0%b" % (customer.bytes, kind.encode(), value.encode()), "sha256"
    )
    return uuid.UUID(bytes=digest[:16])


def fingerprint(secret: bytes) -> str:
    """What tells one user hash key from another without giving it away."""
    return hmac.digest(secret, b"lead-billing user hash key", "sha256").hex()[:16]


def user_identity(
    email: str | None, phone: str | None, external_id: str | None, region: str | None
) -> tuple[UserKind, str] | None:
    """What a user is known by: the first usable of email, phone and external id.

    `region`: the customer's, for national phone numbers. None if nothing of it is usable.
    """
    if email is not None and (key := email_key(email)):
        return UserKind.EMAIL, key
    if phone is not None and (key := phone_key(phone, region)):
        return UserKind.PHONE, key
    if external_id is not None and (key := external_id_key(external_id)):
        return UserKind.EXTERNAL_ID, key
    return None


def identities(text: str, region: str | None) -> dict[UserKind, str]:
    """All that a user who is asked for by a text may be known by, as it is compared."""
    named = {
        UserKind.EMAIL: email_key(text),
        # The digits in an email, or in "crm-1234567", are nobody's phone number.
        UserKind.PHONE: phone_key(text, region) if reads_as_phone(text) else None,
        UserKind.EXTERNAL_ID: external_id_key(text),
    }
    return {kind: key for kind, key in named.items() if key}
