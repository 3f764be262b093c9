"""API keys: making, listing, rotating and revoking them, and telling who a request is from.

Invariant: a key is shown once, where it is made; what is stored and cached of it is a hash, which
is compared in constant time.
"""

import hmac
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from threading import Lock
from typing import NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, func, or_, select, tuple_, update
from sqlalchemy.orm import Session

from common.access.tokens import Token
from common.catalog.customers import get_customer as customer_of
from common.database.transactions import snapshot
from common.enums import Role
from common.models import ApiKey
from common.problems import (
    Conflict,
    DatabaseUnavailable,
    FieldError,
    Invalid,
    NotFound,
    TooManyRequests,
    Unauthenticated,
)
from common.settings import Settings

ROTATION_OVERLAP = timedelta(hours=24)
# How long a key that was good is still taken while the database cannot be asked.
_TRUSTED_WHILE_AWAY_SECONDS = 3600.0
# Until it is asked again: each vain attempt would hold up a request for seconds.
_REST_SECONDS = 3.0
_MOST_CACHED = 10_000
_NO_HASH = bytes(32)
_LOOPBACK = ("127.", "::1", "::ffff:127.")


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a request is from. Without `customer_id` it is nobody's in particular."""

    key_id: str
    name: str
    role: Role
    customer_id: UUID | None = None
    customer: str | None = None

    @property
    def actor(self) -> str:
        """What the audit names."""
        return f"key {self.key_id} ({self.name})" if self.key_id else self.name


# On the developer's own machine, where keys are not asked for.
ANYONE_HERE = Caller("", "open access on this machine", Role.ADMIN)


class KeyPlace(NamedTuple):
    """Where a key stands in the list."""

    created_at: datetime
    key_id: str


def create_key(
    connection: Connection, name: str, role: Role, customer: str | None
) -> tuple[ApiKey, Token]:
    """A new key, and the text its holder gets to see this once.

    `customer` is whose data alone it reaches. Raises Invalid for an admin of one customer, and
    NotFound for a customer that is not registered.
    """
    token = Token.new()
    return store_key(connection, KeyMaterial(token.key_id, token.hash), name, role, customer), token


class KeyMaterial(NamedTuple):
    """All of a key that is ever stored."""

    key_id: str
    secret_hash: bytes


def store_key(
    connection: Connection, material: KeyMaterial, name: str, role: Role, customer: str | None
) -> ApiKey:
    """Stores a key that was made elsewhere. Raises as `create_key`."""
    if role is Role.ADMIN and customer is not None:
        raise Invalid(
            "an admin key belongs to no customer",
            [FieldError("/customer_id", "admin_of_a_customer", "must be left out for an admin")],
        )
    whose = None if customer is None else customer_of(connection, customer).customer_id
    key = ApiKey(name=name, role=role, customer_id=whose, **material._asdict())
    return _stored(connection, key)


def list_keys(connection: Connection, after: KeyPlace | None, most: int) -> list[ApiKey]:
    """At most `most` keys, the newest first, from behind `after` on; those that ended too."""
    query = select(ApiKey).order_by(ApiKey.created_at.desc(), ApiKey.key_id.desc()).limit(most)
    if after is not None:
        query = query.where(tuple_(ApiKey.created_at, ApiKey.key_id) < tuple(after))
    return list(Session(connection).scalars(query))


def rotate_key(
    connection: Connection, key_id: str, overlap: timedelta = ROTATION_OVERLAP
) -> tuple[ApiKey, Token]:
    """A new key of the same name, role and customer; the old one works for `overlap` longer.

    Raises NotFound, and Conflict for a key that has ended.
    """
    old = _current_key(connection, key_id)
    token = Token.new()
    key = ApiKey(
        key_id=token.key_id,
        name=old.name,
        role=old.role,
        customer_id=old.customer_id,
        secret_hash=token.hash,
        replaces=old.key_id,
    )
    stored = _stored(connection, key)
    _end(connection, key_id, func.clock_timestamp() + overlap)
    return stored, token


def revoke_key(connection: Connection, key_id: str) -> ApiKey:
    """Ends a key now. Raises NotFound, and Conflict for one that has ended."""
    _current_key(connection, key_id)
    _end(connection, key_id, func.clock_timestamp())
    return Session(connection).get_one(ApiKey, key_id)


def has_admin(connection: Connection) -> bool:
    """Whether somebody could make further keys over the API."""
    query = select(ApiKey.key_id).where(ApiKey.role == Role.ADMIN, _is_current()).limit(1)
    return connection.execute(query).first() is not None


def _stored(connection: Connection, key: ApiKey) -> ApiKey:
    session = Session(connection)
    session.add(key)
    session.flush()
    session.refresh(key)
    return key


def _is_current() -> ColumnElement[bool]:
    return or_(ApiKey.ends_at.is_(None), ApiKey.ends_at > func.clock_timestamp())


def _current_key(connection: Connection, key_id: str) -> ApiKey:
    key = Session(connection).get(ApiKey, key_id, with_for_update={"of": ApiKey})
    if key is None:
        raise NotFound(f"there is no key {key_id!r}")
    if key.ends_at is not None and key.ends_at <= datetime.now(UTC):
        raise Conflict(f"the key {key_id!r} has ended")
    return key


def _end(connection: Connection, key_id: str, moment: ColumnElement[datetime]) -> None:
    connection.execute(update(ApiKey).where(ApiKey.key_id == key_id).values(ends_at=moment))


@dataclass(frozen=True, slots=True)
class KnownKey:
    """What is cached of a key."""

    caller: Caller
    secret_hash: bytes
    ends_at: datetime | None

    def opens_with(self, token: Token) -> bool:
        return hmac.compare_digest(self.secret_hash, token.hash) and (
            self.ends_at is None or datetime.now(UTC) < self.ends_at
        )


class _Seen(NamedTuple):
    """A key, when it was looked up, and when it is to be again; by the keyring's clock."""

    key: KnownKey
    at: float
    ask_again_at: float


class Keyring:
    """Tells callers by their keys, and remembers those it has seen for a few seconds.

    A key that is remembered costs no look at the database. While that is away, keys that were
    good within the last hour go on being so: what they send can still be put into a queue.
    """

    def __init__(
        self,
        find: Callable[[str], KnownKey | None],
        trusted_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._find = find
        self._trusted_seconds = trusted_seconds
        self._clock = clock
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        self._lock = Lock()

    def caller(self, token: Token) -> Caller:
        """Raises Unauthenticated, and DatabaseUnavailable where it cannot tell."""
        known = self._known(token.key_id)
        # An unknown id takes the time that a known one takes.
        if known is None:
            hmac.compare_digest(_NO_HASH, token.hash)
            raise _refused()
        if not known.opens_with(token):
            raise _refused()
        return known.caller

    def by_id(self, key_id: str) -> Caller:
        """The holder of a key that has proved itself before. Raises as `caller`."""
        known = self._known(key_id)
        if known is None or (known.ends_at is not None and datetime.now(UTC) >= known.ends_at):
            raise _refused()
        return known.caller

    def _known(self, key_id: str) -> KnownKey | None:
        now = self._clock()
        with self._lock:
            seen = self._seen.get(key_id)
        if seen is not None and now < seen.ask_again_at:
            return seen.key
        try:
            found = self._find(key_id)
        except DatabaseUnavailable:
            if seen is None or now - seen.at >= _TRUSTED_WHILE_AWAY_SECONDS:
                raise
            with self._lock:
                rest = min(now + _REST_SECONDS, seen.at + _TRUSTED_WHILE_AWAY_SECONDS)
                self._seen[key_id] = seen._replace(ask_again_at=rest)
            return seen.key
        with self._lock:
            self._seen.pop(key_id, None)
            if found is not None:
                self._seen[key_id] = _Seen(found, now, now + self._trusted_seconds)
            while len(self._seen) > _MOST_CACHED:
                self._seen.popitem(last=False)
        return found


class RateLimit:
    """A token bucket per key: `per_second` requests a second, twice as many at once.

    It is this process's own: with n processes a key gets n times as much at the most.
    """

    def __init__(self, per_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = Lock()

    def take(self, key_id: str) -> None:
        """Counts a request. Raises TooManyRequests."""
        if not self._per_second:
            return
        most = 2.0 * self._per_second
        now = self._clock()
        with self._lock:
            left, at = self._buckets.pop(key_id, (most, now))
            left = min(most, left + (now - at) * self._per_second)
            is_over = left < 1
            self._buckets[key_id] = (left if is_over else left - 1, now)
            while len(self._buckets) > _MOST_CACHED:
                self._buckets.popitem(last=False)
        if is_over:
            raise TooManyRequests(f"a key may make {self._per_second} requests a second here")


class Gatekeeper:
    """This process's keyring and rate limit, as its settings want them."""

    def __init__(self) -> None:
        current = Settings()  # of the environment alone: no secret is needed to say no
        self._is_open = current.open_access
        self._keyring = Keyring(_find, current.key_cache_seconds)
        self._limit = RateLimit(current.rate_limit_per_second)

    def admit(self, authorization: str | None, address: str | None, host: str | None) -> Caller:
        """Whom a request is from, by its Authorization header, or by the address it came from.

        `host` is what the caller takes us for: a page of another site that has its name lead to
        this machine would be here too. Raises Unauthenticated, TooManyRequests, and
        DatabaseUnavailable.
        """
        if authorization is None:
            if self._is_open and (address or "").startswith(_LOOPBACK) and _names_this(host):
                return ANYONE_HERE
            raise Unauthenticated("send a key: Authorization: Bearer lbk_...")
        scheme, _, text = authorization.partition(" ")
        token = Token.parse(text.strip())
        if scheme.lower() != "bearer" or token is None:
            raise _refused()
        caller = self._keyring.caller(token)
        self._limit.take(caller.key_id)
        return caller

    def signed_in(self, key_id: str) -> Caller:
        """The holder of a key that a session was opened with. Raises as `admit`."""
        caller = self._keyring.by_id(key_id)
        self._limit.take(key_id)
        return caller


@lru_cache(maxsize=1)
def gatekeeper() -> Gatekeeper:
    """The process's own."""
    return Gatekeeper()


def _names_this(host: str | None) -> bool:
    name = "localhost" if host is None else urlsplit(f"//{host}").hostname or ""
    return name in {"localhost", "::1"} or name.startswith("127.") or name.endswith(".localhost")


def _find(key_id: str) -> KnownKey | None:
    with snapshot() as connection:
        key = Session(connection).get(ApiKey, key_id)
        if key is None:
            return None
        owner = None if key.customer is None else key.customer.external_id
        caller = Caller(key.key_id, key.name, key.role, key.customer_id, owner)
        return KnownKey(caller, key.secret_hash, key.ends_at)


def _refused() -> Unauthenticated:
    return Unauthenticated("the key is not known, or has ended")
