"""Authentication: who a request is from, by its API key, or by its address on an open server.

Invariant: hashes of keys are compared in constant time, and an unknown key costs what a known one
does.
"""

import hmac
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from threading import Lock
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select

from common.access.budgets import Buckets, Spent
from common.access.models import ApiKey
from common.access.tokens import Token
from common.catalog.models import Customer
from common.database.breaker import REST_SECONDS
from common.database.engine import BRIEF_SECONDS, with_retries
from common.enums import Role
from common.problems import DatabaseUnavailable, Forbidden, TooManyRequests, Unauthenticated
from common.settings import Settings
from common.this_machine import is_loopback, names_this_machine

_MAX_CACHED = 10_000
# While the database is away, a key that was valid is accepted for this long.
_TRUSTED_WHILE_AWAY_SECONDS = 3600.0
_NO_HASH = bytes(32)
# What unknown keys may cost: one is not looked for again so soon, and so many are a second.
_UNKNOWN_SECONDS = 5.0
_MAX_UNKNOWN = 1_000
_UNKNOWN_PER_SECOND = 20
SENDERS = frozenset({Role.INGEST, Role.ADMIN})  # who may post leads


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

    @property
    def sees_people(self) -> bool:
        """Whether users are shown with their contact details; else they are masked."""
        return self.role in {Role.VIEWER_WITH_PEOPLE, Role.ADMIN}

    def require_role(self, roles: Collection[Role]) -> None:
        """Raises Forbidden unless the principal has one of the roles."""
        if self.role not in roles:
            allowed = " or ".join(sorted(roles))
            raise Forbidden(f"this takes a key with the role {allowed}; yours is {self.role}")


# On a developer's own machine no key is needed.
LOCAL_ADMIN = Principal("", "open access on this machine", Role.ADMIN)


@dataclass(frozen=True, slots=True)
class CachedKey:
    """A key as the cache keeps it."""

    principal: Principal
    secret_hash: bytes
    expires_at: datetime | None

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and datetime.now(UTC) >= self.expires_at

    def opens_with(self, token: Token) -> bool:
        return hmac.compare_digest(self.secret_hash, token.hash) and not self.is_expired


class _Seen(NamedTuple):
    """A key, when it was read from the database, and when to read it again; by the clock."""

    key: CachedKey
    at: float
    ask_again_at: float


class ApiKeyCache:
    """Finds the principal of a key, and caches keys for a few seconds.

    A cached key costs no statement, and keys that are not there cost few. While the database is
    away, keys that were valid within the last hour stay valid, so that their leads can be queued.
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
        self._unknown: OrderedDict[str, float] = OrderedDict()  # and when to look for it again
        self._misses = Buckets(2 * _UNKNOWN_PER_SECOND, 2.0, clock)
        self._lock = Lock()

    def authenticate(self, token: Token) -> Principal:
        """The holder of a key. Raises Unauthenticated, TooManyRequests and DatabaseUnavailable.

        TooManyRequests only for a key that this process has not seen, while others ask for many
        unknown ones.
        """
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
        if known is None or known.is_expired:
            raise _refused()
        return known.principal

    def _known(self, key_id: str) -> CachedKey | None:
        now = self._clock()
        with self._lock:
            seen = self._seen.get(key_id)
        if seen is not None and now < seen.ask_again_at:
            return seen.key
        if seen is None:
            with self._lock:
                if now < self._unknown.get(key_id, now):
                    return None
            if self._misses.is_empty(""):
                raise TooManyRequests("too many unknown keys are sent here: try again")
        try:
            found = self._find(key_id)
        except DatabaseUnavailable:
            if seen is None or now - seen.at >= _TRUSTED_WHILE_AWAY_SECONDS:
                raise
            with self._lock:
                rest = min(now + REST_SECONDS, seen.at + _TRUSTED_WHILE_AWAY_SECONDS)
                self._seen[key_id] = seen._replace(ask_again_at=rest)
            return seen.key
        with self._lock:
            self._seen.pop(key_id, None)
            if found is not None:
                self._seen[key_id] = _Seen(found, now, now + self._trusted_seconds)
            else:
                self._unknown[key_id] = now + _UNKNOWN_SECONDS
                while len(self._unknown) > _MAX_UNKNOWN:
                    self._unknown.popitem(last=False)
            while len(self._seen) > _MAX_CACHED:
                self._seen.popitem(last=False)
        if found is None:
            self._misses.take("")
        return found


class Authenticator:
    """The API keys and their budgets in this process, by its settings."""

    def __init__(self) -> None:
        current = Settings()  # from the environment only: refusing needs no secret
        self._is_open = current.open_access
        self._keys = ApiKeyCache(_find, current.key_cache_seconds)
        units = current.rate_limit_units_per_minute
        self._budgets = Buckets(units, 60.0) if units else None

    def authenticate(
        self, authorization: str | None, address: str | None, host: str | None
    ) -> Principal:
        """Who a request is from, by its Authorization header, or by the address it came from.

        `host` is the name that the request asked for: the name of another site may lead to this
        machine. Raises Unauthenticated, TooManyRequests, and DatabaseUnavailable.
        """
        if authorization is None:
            is_named = host is None or names_this_machine(host)
            if self._is_open and is_loopback(address) and is_named:
                return LOCAL_ADMIN
            raise Unauthenticated("send a key: Authorization: Bearer lbk_...")
        scheme, _, text = authorization.partition(" ")
        token = Token.parse(text.strip())
        if scheme.lower() != "bearer" or token is None:
            raise _refused()
        return self._keys.authenticate(token)

    def authenticate_session(self, key_id: str) -> Principal:
        """The holder of the key that a session was opened with. Raises as `authenticate`."""
        return self._keys.by_id(key_id)

    def spend(self, principal: Principal, units: int) -> Spent:
        """Takes what a request costs from the budget of its key; nothing where no limit applies."""
        if self._budgets is None or not principal.key_id:
            return Spent({}, None)
        budget = self._budgets.take(principal.key_id, units)
        return Spent(budget.headers, budget.refusal)


@lru_cache(maxsize=1)
def authenticator() -> Authenticator:
    """The authenticator of this process."""
    return Authenticator()


_KEY_AND_CUSTOMER = select(ApiKey.__table__, Customer.external_id).outerjoin(
    Customer, Customer.customer_id == ApiKey.customer_id
)


def _find(key_id: str) -> CachedKey | None:
    query = _KEY_AND_CUSTOMER.where(ApiKey.key_id == key_id)
    key = with_retries(
        lambda connection, _: connection.execute(query).one_or_none(), BRIEF_SECONDS, attempts=1
    )
    if key is None:
        return None
    principal = Principal(key.key_id, key.name, key.role, key.customer_id, key.external_id)
    return CachedKey(principal, key.secret_hash, key.expires_at)


def _refused() -> Unauthenticated:
    return Unauthenticated("the key is not known, or has ended")
