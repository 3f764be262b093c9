"""API keys: creating, listing, rotating and revoking them.

Invariant: a key is shown once, when it is created; only a hash of it is stored. One that has ended
stays so: the database lets nobody give a key more time (alembic/sql/keys.sql).
"""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, func, or_, select, tuple_
from sqlalchemy.orm import Session

from common.access.models import ApiKey
from common.access.tokens import Token
from common.audit_log import record_change
from common.catalog.customers import get_customer as customer_of
from common.enums import Role
from common.problems import Conflict, FieldError, Invalid, NotFound

ROTATION_OVERLAP = timedelta(hours=24)


class KeyPlace(NamedTuple):
    """The position of a key in the list, for a cursor."""

    created_at: datetime
    key_id: str


def create_key(
    session: Session, name: str, role: Role, customer: str | None
) -> tuple[ApiKey, Token]:
    """A new key, and the text its holder gets to see this once.

    `customer` is whose data alone it reaches. Raises Invalid for an admin of one customer, and
    NotFound for a customer that is not registered.
    """
    token = Token.new()
    return store_key(session, KeyMaterial(token.key_id, token.hash), name, role, customer), token


class KeyMaterial(NamedTuple):
    """All of a key that is ever stored."""

    key_id: str
    secret_hash: bytes


def store_key(
    session: Session, material: KeyMaterial, name: str, role: Role, customer: str | None
) -> ApiKey:
    """Stores a key that was made elsewhere. Raises as `create_key`."""
    if role is Role.ADMIN and customer is not None:
        raise Invalid(
            "an admin key belongs to no customer",
            [FieldError("/customer_id", "admin_of_a_customer", "must be left out for an admin")],
        )
    customer_id = None if customer is None else customer_of(session, customer).customer_id
    key = ApiKey(name=name, role=role, customer_id=customer_id, **material._asdict())
    return _stored(session, key)


def list_keys(session: Session, after: KeyPlace | None, limit: int) -> list[ApiKey]:
    """At most `limit` keys, the newest first, after `after`; those that ended too."""
    query = select(ApiKey).order_by(ApiKey.created_at.desc(), ApiKey.key_id.desc()).limit(limit)
    if after is not None:
        query = query.where(tuple_(ApiKey.created_at, ApiKey.key_id) < tuple(after))
    return list(session.scalars(query))


def rotate_key(
    session: Session, key_id: str, overlap: timedelta = ROTATION_OVERLAP
) -> tuple[ApiKey, Token]:
    """A new key of the same name, role and customer; the old one works for `overlap` longer.

    Raises NotFound, and Conflict for a key that has ended.
    """
    old = _current_key(session, key_id)
    token = Token.new()
    key = ApiKey(
        key_id=token.key_id,
        name=old.name,
        role=old.role,
        customer_id=old.customer_id,
        secret_hash=token.hash,
        rotated_from=old.key_id,
    )
    stored = _stored(session, key)
    _end(session, old, func.clock_timestamp() + overlap)
    return stored, token


def revoke_key(session: Session, key_id: str) -> ApiKey:
    """Ends a key now. Raises NotFound, and Conflict for one that has ended."""
    key = _current_key(session, key_id)
    _end(session, key, func.clock_timestamp())
    return key


def has_admin(session: Session) -> bool:
    """Whether somebody could make further keys over the API."""
    query = select(ApiKey.key_id).where(ApiKey.role == Role.ADMIN, _is_current()).limit(1)
    return session.execute(query).first() is not None


def _stored(session: Session, key: ApiKey) -> ApiKey:
    session.add(key)
    session.flush()
    session.refresh(key)
    record_change(session, "created", "api_key", key.key_id, after=_audited(key))
    return key


def _audited(key: ApiKey) -> dict[str, Any]:
    columns = ("name", "role", "expires_at", "rotated_from")
    return {column: getattr(key, column) for column in columns} | {
        "customer_id": key.customer and key.customer.external_id
    }


def _is_current() -> ColumnElement[bool]:
    return or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > func.clock_timestamp())


def _current_key(session: Session, key_id: str) -> ApiKey:
    key = session.get(ApiKey, key_id)
    if key is None:
        raise NotFound(f"there is no key {key_id!r}")
    if key.expires_at is not None and key.expires_at <= datetime.now(UTC):
        raise _ended(key_id)
    return key


def _ended(key_id: str) -> Conflict:
    return Conflict(f"the key {key_id!r} has ended")


def _end(session: Session, key: ApiKey, moment: ColumnElement[datetime]) -> None:
    before = _audited(key)
    expires_at = session.scalar(select(func.end_key(key.key_id, moment)))
    if expires_at is None:
        raise _ended(key.key_id)
    session.refresh(key)
    after = before | {"expires_at": expires_at}
    record_change(session, "ended", "api_key", key.key_id, before=before, after=after)
