"""The callers' ids and our UUIDs, and the key a user is billed under.

Invariant: the same text always gives the same UUID, in every process and for ever
(docs/billing-rules.md, Ids), so that an id never has to be looked up before it is stored.
"""

import hmac
import re
import unicodedata
import uuid
from enum import StrEnum
from functools import lru_cache

MAX_ID_LENGTH = 128

_CANONICAL_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

CUSTOMERS = uuid.uuid5(uuid.NAMESPACE_URL, "urn:lead-billing:customer")
PRODUCTS = uuid.uuid5(uuid.NAMESPACE_URL, "urn:lead-billing:product")
REPORTS = uuid.uuid5(uuid.NAMESPACE_URL, "urn:lead-billing:report")


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


def lead_ids(customer: uuid.UUID, asked: str) -> list[uuid.UUID]:
    """The UUIDs that an id of a customer's lead may stand for: as it was sent, then as our own."""
    ours = canonical_uuid(asked)
    return [lead_id(customer, asked), *([ours] if ours else [])]


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


def normal_email(text: str) -> str:
    """Trimmed and lower-cased."""
    return text.strip().lower()


def normal_phone(text: str) -> str:
    """Digits and a leading + only; digits of any script count as the digits they are."""
    trimmed = text.strip()
    digits = "".join(str(unicodedata.digit(sign)) for sign in trimmed if sign.isdecimal())
    return f"+{digits}" if digits and trimmed.startswith("+") else digits


def normal_external_id(text: str) -> str:
    """Trimmed."""
    return text.strip()


def identities(text: str) -> dict[UserKind, str]:
    """All that a user who is asked for by a text may be known by, as it is stored."""
    named = {
        UserKind.EMAIL: normal_email(text),
        UserKind.EXTERNAL_ID: normal_external_id(text),
    }
    # The digits in an email, or in "crm-42", are nobody's phone number.
    if not any(sign == "@" or sign.isalpha() for sign in text):
        named[UserKind.PHONE] = normal_phone(text)
    return {kind: value for kind, value in named.items() if value}


@lru_cache(maxsize=4096)
def action_key(action_type: str) -> str:
    """An action type as repeats are told by: trimmed, inner spaces folded, case folded."""
    return " ".join(action_type.split()).casefold()
