"""Idempotency keys: a request is carried out once under its key, and answered alike for a day.

Invariant: of two requests with one key, one is carried out. The key is marked in the transaction of
what its request changes, so a process that dies leaves no doubt about it.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, delete, func, select, text, update
from sqlalchemy.orm import Session

from common.database.sql_loader import load_statement
from common.database.transactions import transaction
from common.idempotency.models import IdempotencyKey
from common.identifiers import NO_CUSTOMER
from common.problems import Conflict, FieldError, Invalid

POINTER = "/header/Idempotency-Key"
MAX_KEY_LENGTH = 255
# Longer than any request but a closing, which two may do side by side.
_LEASE_SECONDS = 60
_FORGOTTEN_AT_ONCE = 1_000

_CLAIM = text(load_statement("idempotency", "claim_key"))


class KeyInUse(Conflict):
    """The first request with a key is still being worked on."""

    headers: ClassVar[dict[str, str]] = {"Retry-After": "1"}


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose keys these are: an API key, of a customer or of none."""

    customer_id: UUID | None
    api_key_id: str


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An answer as it was given first."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Claim:
    """A key that this request holds."""

    customer_id: UUID
    api_key_id: str
    key_hash: bytes
    lease_id: UUID
    is_marked: bool = False

    def mark(self, session: Session) -> None:
        """Notes that the request is carried out if the session commits. Raises KeyInUse.

        Only the first transaction of a request does so: the others would wait for it.
        """
        if self.is_marked:
            return
        self.is_marked = True
        marked = update(IdempotencyKey).where(*self._own).values(is_carried_out=True)
        if session.execute(marked.returning(IdempotencyKey.lease_id)).first() is None:
            raise _in_use()

    def keep(self, status: int, headers: Mapping[str, str], body: bytes | None) -> None:
        """Keeps the answer, for the rest of the day. Without a body, only that there was one."""
        kept = {"status": status, "headers": dict(headers), "body": body}
        self._send(update(IdempotencyKey).where(*self._own).values(**kept))

    def release(self) -> None:
        """Lets the key be used anew, unless something was changed under it."""
        unused = IdempotencyKey.is_carried_out.is_(False)
        self._send(delete(IdempotencyKey).where(*self._own, unused))

    @property
    def _own(self) -> tuple[ColumnElement[bool], ...]:
        held = IdempotencyKey
        return (
            held.customer_id == self.customer_id,
            held.api_key_id == self.api_key_id,
            held.key_hash == self.key_hash,
            held.lease_id == self.lease_id,
        )

    def _send(self, statement: Any) -> None:
        self.is_marked = True  # this transaction is not the request's
        with transaction() as session:
            session.execute(statement)


def claim_key(caller: Caller, key: str, request: bytes) -> Claim | KeptAnswer:
    """Takes a key for a request, or gives the answer that the first request with it got.

    `request` is all that makes two requests the same. Raises Invalid for a key that is none, or
    that was sent with another request; KeyInUse while the first request is being worked on; and
    Conflict where the first was carried out and its answer is not at hand.
    """
    if not 1 <= len(key) <= MAX_KEY_LENGTH or not key.isascii() or not key.isprintable():
        detail = f"must have 1 to {MAX_KEY_LENGTH} visible ASCII characters"
        raise _refused("invalid_idempotency_key", detail, Invalid)
    claim = Claim(
        caller.customer_id or NO_CUSTOMER, caller.api_key_id, _hash(key.encode()), uuid4()
    )
    request_hash = _hash(request)
    with transaction() as session:
        kept = _answer(session, claim, request_hash)
        if kept is not None:
            return kept
        taken = session.execute(
            _CLAIM,
            {
                "customer_id": claim.customer_id,
                "api_key_id": claim.api_key_id,
                "key_hash": claim.key_hash,
                "request_hash": request_hash,
                "lease_id": claim.lease_id,
                "lease_seconds": _LEASE_SECONDS,
            },
        )
        if taken.first() is not None:
            return claim
        kept = _answer(session, claim, request_hash)
        if kept is None:
            raise _in_use()
        return kept


def forget_answers() -> bool:
    """Deletes keys whose time is over, some at once. Returns whether there were any."""
    held = IdempotencyKey
    place = (held.customer_id, held.api_key_id, held.key_hash)
    over = select(*place).where(held.expires_at <= func.now()).limit(_FORGOTTEN_AT_ONCE)
    with transaction() as session:
        rows = session.execute(over.with_for_update(skip_locked=True)).all()
        for row in rows:
            session.execute(
                delete(held).where(
                    *(column == value for column, value in zip(place, row, strict=True))
                )
            )
    return bool(rows)


def _answer(session: Session, claim: Claim, request_hash: bytes) -> KeptAnswer | None:
    """The answer under a key; None where the key may be taken."""
    held = IdempotencyKey
    row = session.execute(
        select(
            held.request_hash,
            held.is_carried_out,
            held.status,
            held.headers,
            held.body,
            (held.leased_until > func.now()).label("is_leased"),
        ).where(
            held.customer_id == claim.customer_id,
            held.api_key_id == claim.api_key_id,
            held.key_hash == claim.key_hash,
            held.expires_at > func.now(),
        )
    ).first()
    if row is None:
        return None
    if row.request_hash != request_hash:
        detail = "was sent with another request within 24 hours: take a new one for each request"
        raise _refused("idempotency_key_reused", detail, Invalid)
    if row.status is not None and row.body is not None:
        return KeptAnswer(row.status, row.headers, row.body)
    if row.status is not None:
        detail = "its request was carried out, and the answer is not kept: it held a secret"
        raise _refused("idempotent_answer_not_kept", detail, Conflict)
    if row.is_leased:
        raise _in_use()
    if row.is_carried_out:
        detail = "its request was carried out, and its answer was lost: read what is there now"
        raise _refused("idempotent_answer_lost", detail, Conflict)
    return None


def _in_use() -> KeyInUse:
    detail = "its first request is still being worked on: send it again in a moment"
    return KeyInUse(
        "the idempotency key is in use", [FieldError(POINTER, "idempotency_key_in_use", detail)]
    )


def _refused(code: str, detail: str, kind: Callable[..., Conflict | Invalid]) -> Exception:
    return kind(f"the idempotency key {detail}", [FieldError(POINTER, code, detail)])


def _hash(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
