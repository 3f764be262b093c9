"""Authentication: who a request is from, by its API key, or by its address on an open server.

Invariant: hashes of keys are compared in constant time, and an unknown key costs what a known one
does.
"""

import hmac
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from threading import Lock
from typing import NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from common.access.models import ApiKey
from common.access.rate_limit import MAX_CACHED, RateLimit
from common.access.tokens import Token
from common.database.transactions import snapshot
from common.enums import Role
from common.problems import (
    DatabaseUnavailable,
    Unauthenticated,
)
from common.settings import Settings

# While the database is away, a key that was valid is accepted for this long.
_TRUSTED_WHILE_AWAY_SECONDS = 3600.0
# After a failure, the database is not asked for this long: an attempt would delay a request.
_REST_SECONDS = 3.0
_NO_HASH = bytes(32)
_LOOPBACK = ("127.", "::1", "::ffff:127.")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a request acts as. With `customer_id`, it is limited to that customer: its tenant."""

    key_id: str
    name: str
    role: Role
    customer_id: UUID | None = None
    customer: str | None = None

    @property
    def actor(self) -> str:
        """How the audit log names it."""
        return f"key {self.key_id} ({self.name})" if self.key_id else self.name


# On a developer's own machine no key is needed.
LOCAL_ADMIN = Principal("", "open access on this machine", Role.ADMIN)


@dataclass(frozen=True, slots=True)
class CachedKey:
    """A key as the cache keeps it."""

    principal: Principal
    secret_hash: bytes
    expires_at: datetime | None

    def opens_with(self, token: Token) -> bool:
        return hmac.compare_digest(self.secret_hash, token.hash) and (
            self.expires_at is None or datetime.now(UTC) < self.expires_at
        )


class _Seen(NamedTuple):
    """A key, when it was read from the database, and when to read it again; by the clock."""

    key: CachedKey
    at: float
    ask_again_at: float


class ApiKeyCache:
    """Finds the principal of a key, and caches keys for a few seconds.

    A cached key costs no statement. While the database is away, keys that were valid within the
    last hour stay valid, so that their leads can be queued.
    """

    def __init__(
        self,
        find: Callable[[str], CachedKey | None],
        trusted_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._find = find
        self._trusted_seconds = trusted_seconds
        self._clock = clock
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        self._lock = Lock()

    def authenticate(self, token: Token) -> Principal:
        """The holder of a key. Raises Unauthenticated, and DatabaseUnavailable."""
        known = self._known(token.key_id)
        # An unknown id must take as long as a known one.
        if known is None:
            hmac.compare_digest(_NO_HASH, token.hash)
            raise _refused()
        if not known.opens_with(token):
            raise _refused()
        return known.principal

    def by_id(self, key_id: str) -> Principal:
        """The holder of a key that was authenticated before. Raises as `authenticate`."""
        known = self._known(key_id)
        if known is None or (
            known.expires_at is not None and datetime.now(UTC) >= known.expires_at
        ):
            raise _refused()
        return known.principal

    def _known(self, key_id: str) -> CachedKey | None:
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
            while len(self._seen) > MAX_CACHED:
                self._seen.popitem(last=False)
        return found


class Authenticator:
    """The API keys and the rate limit of this process, by its settings."""

    def __init__(self) -> None:
        current = Settings()  # from the environment only: refusing needs no secret
        self._is_open = current.open_access
        self._keys = ApiKeyCache(_find, current.key_cache_seconds)
        self._limit = RateLimit(current.rate_limit_per_second)

    def authenticate(
        self, authorization: str | None, address: str | None, host: str | None
    ) -> Principal:
        """Who a request is from, by its Authorization header, or by the address it came from.

        `host` is the name that the request asked for: the name of another site may lead to this
        machine. Raises Unauthenticated, TooManyRequests, and DatabaseUnavailable.
        """
        if authorization is None:
            if self._is_open and (address or "").startswith(_LOOPBACK) and _names_this(host):
                return LOCAL_ADMIN
            raise Unauthenticated("send a key: Authorization: Bearer lbk_...")
        scheme, _, text = authorization.partition(" ")
        token = Token.parse(text.strip())
        if scheme.lower() != "bearer" or token is None:
            raise _refused()
        principal = self._keys.authenticate(token)
        self._limit.take(principal.key_id)
        return principal

    def authenticate_session(self, key_id: str) -> Principal:
        """The holder of the key that a session was opened with. Raises as `authenticate`."""
        principal = self._keys.by_id(key_id)
        self._limit.take(key_id)
        return principal


@lru_cache(maxsize=1)
def authenticator() -> Authenticator:
    """The authenticator of this process."""
    return Authenticator()


def _names_this(host: str | None) -> bool:
    name = "localhost" if host is None else urlsplit(f"//{host}").hostname or ""
    return name in {"localhost", "::1"} or name.startswith("127.") or name.endswith(".localhost")


def _find(key_id: str) -> CachedKey | None:
    with snapshot() as session:
        key = session.get(ApiKey, key_id)
        if key is None:
            return None
        owner = None if key.customer is None else key.customer.external_id
        principal = Principal(key.key_id, key.name, key.role, key.customer_id, owner)
        return CachedKey(principal, key.secret_hash, key.expires_at)


def _refused() -> Unauthenticated:
    return Unauthenticated("the key is not known, or has ended")
