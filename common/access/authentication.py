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

from sqlalchemy.orm import Session

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

# How long a key that was good is still taken while the database cannot be asked.
_TRUSTED_WHILE_AWAY_SECONDS = 3600.0
# Until it is asked again: each vain attempt would hold up a request for seconds.
_REST_SECONDS = 3.0
_NO_HASH = bytes(32)
_LOOPBACK = ("127.", "::1", "::ffff:127.")


@dataclass(frozen=True, slots=True)
class Principal:
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
LOCAL_ADMIN = Principal("", "open access on this machine", Role.ADMIN)


@dataclass(frozen=True, slots=True)
class CachedKey:
    """What is cached of a key."""

    caller: Principal
    secret_hash: bytes
    expires_at: datetime | None

    def opens_with(self, token: Token) -> bool:
        return hmac.compare_digest(self.secret_hash, token.hash) and (
            self.expires_at is None or datetime.now(UTC) < self.expires_at
        )


class _Seen(NamedTuple):
    """A key, when it was looked up, and when it is to be again; by the keyring's clock."""

    key: CachedKey
    at: float
    ask_again_at: float


class ApiKeyCache:
    """Tells callers by their keys, and remembers those it has seen for a few seconds.

    A key that is remembered costs no look at the database. While that is away, keys that were
    good within the last hour go on being so: what they send can still be put into a queue.
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

    def caller(self, token: Token) -> Principal:
        """Raises Unauthenticated, and DatabaseUnavailable where it cannot tell."""
        known = self._known(token.key_id)
        # An unknown id takes the time that a known one takes.
        if known is None:
            hmac.compare_digest(_NO_HASH, token.hash)
            raise _refused()
        if not known.opens_with(token):
            raise _refused()
        return known.caller

    def by_id(self, key_id: str) -> Principal:
        """The holder of a key that has proved itself before. Raises as `caller`."""
        known = self._known(key_id)
        if known is None or (
            known.expires_at is not None and datetime.now(UTC) >= known.expires_at
        ):
            raise _refused()
        return known.caller

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
    """This process's keyring and rate limit, as its settings want them."""

    def __init__(self) -> None:
        current = Settings()  # of the environment alone: no secret is needed to say no
        self._is_open = current.open_access
        self._keyring = ApiKeyCache(_find, current.key_cache_seconds)
        self._limit = RateLimit(current.rate_limit_per_second)

    def admit(self, authorization: str | None, address: str | None, host: str | None) -> Principal:
        """Whom a request is from, by its Authorization header, or by the address it came from.

        `host` is what the caller takes us for: a page of another site that has its name lead to
        this machine would be here too. Raises Unauthenticated, TooManyRequests, and
        DatabaseUnavailable.
        """
        if authorization is None:
            if self._is_open and (address or "").startswith(_LOOPBACK) and _names_this(host):
                return LOCAL_ADMIN
            raise Unauthenticated("send a key: Authorization: Bearer lbk_...")
        scheme, _, text = authorization.partition(" ")
        token = Token.parse(text.strip())
        if scheme.lower() != "bearer" or token is None:
            raise _refused()
        caller = self._keyring.caller(token)
        self._limit.take(caller.key_id)
        return caller

    def signed_in(self, key_id: str) -> Principal:
        """The holder of a key that a session was opened with. Raises as `admit`."""
        caller = self._keyring.by_id(key_id)
        self._limit.take(key_id)
        return caller


@lru_cache(maxsize=1)
def authenticator() -> Authenticator:
    """The process's own."""
    return Authenticator()


def _names_this(host: str | None) -> bool:
    name = "localhost" if host is None else urlsplit(f"//{host}").hostname or ""
    return name in {"localhost", "::1"} or name.startswith("127.") or name.endswith(".localhost")


def _find(key_id: str) -> CachedKey | None:
    with snapshot() as connection:
        key = Session(connection).get(ApiKey, key_id)
        if key is None:
            return None
        owner = None if key.customer is None else key.customer.external_id
        caller = Principal(key.key_id, key.name, key.role, key.customer_id, owner)
        return CachedKey(caller, key.secret_hash, key.expires_at)


def _refused() -> Unauthenticated:
    return Unauthenticated("the key is not known, or has ended")
