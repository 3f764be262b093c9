"""Transactions: one per request, committed at its edge, in the name of who makes the request."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from common.database.breaker import breaker
from common.database.engine import current_engine, has_own_pool, translated_errors
from common.database.waiting import LONG_SECONDS, READ_SECONDS, statement_seconds, statements_of


@dataclass(frozen=True, slots=True)
class RequestIdentity:
    """For whom the work of this request is done.

    `actor` is what the audit names. With `customer_id`, the database shows that customer's rows
    alone, whatever is asked of it (common/database/grants.py). Users are masked unless
    `sees_people`.
    """

    actor: str
    customer_id: UUID | None = None
    sees_people: bool = True


IDENTITY: ContextVar[RequestIdentity | None] = ContextVar("acting", default=None)
# What a request does first in its transactions, whoever makes it (common/idempotency/claims.py).
BEGUN: ContextVar[Callable[[Session], None] | None] = ContextVar("begun", default=None)
_AS_CUSTOMER = text(
    "select set_config('role', 'lead_billing_customer', true),"
    " set_config('lead_billing.tenant', :tenant, true)"
)
_MASKED = text("select set_config('lead_billing.people', 'masked', true)")
_AS_ACTOR = text("select set_config('lead_billing.actor', :actor, true)")
_LIMIT = text("select set_config('statement_timeout', :limit, true)")
_AS_ACTOR_AND_LIMIT = text(
    "select set_config('lead_billing.actor', :actor, true),"
    " set_config('statement_timeout', :limit, true)"
)


def long_work() -> AbstractContextManager[None]:
    """Allows the statements of the block's transactions to take long, as those of closing do."""
    return statements_of(LONG_SECONDS)


@contextmanager
def acting_as(actor: str, customer_id: UUID | None = None) -> Iterator[None]:
    """Names who acts, to the audit, in all transactions of the block."""
    token = IDENTITY.set(RequestIdentity(actor, customer_id))
    try:
        yield
    finally:
        IDENTITY.reset(token)


def tenant() -> UUID | None:
    """The customer that the request is limited to; None where it is limited to none."""
    identity = IDENTITY.get()
    return None if identity is None else identity.customer_id


def sees_people() -> bool:
    """Whether the request may see the contact details of users."""
    identity = IDENTITY.get()
    return identity is None or identity.sees_people


@contextmanager
def transaction() -> Iterator[Session]:
    """A READ COMMITTED transaction: committed when the block ends, rolled back when it raises.

    Raises DatabaseUnavailable when the database cannot be reached.
    """
    breaker.require_closed()
    with (
        translated_errors(),
        Session(current_engine(), expire_on_commit=False) as session,
        session.begin(),
    ):
        session.connection()  # here, so that a database that is away is noticed here
        breaker.close()
        begin = BEGUN.get()
        if begin is not None:
            begin(session)
        acting = IDENTITY.get()
        limit = str(int(statement_seconds() * 1000))
        is_limited_already = has_own_pool() or statement_seconds() == READ_SECONDS
        if acting is None:
            if not is_limited_already:
                session.execute(_LIMIT, {"limit": limit})
        elif is_limited_already:
            session.execute(_AS_ACTOR, {"actor": acting.actor})
        else:
            session.execute(_AS_ACTOR_AND_LIMIT, {"actor": acting.actor, "limit": limit})
        _confine(session, acting)
        yield session


@contextmanager
def snapshot() -> Iterator[Session]:
    """A read-only transaction in which every statement sees the same data.

    Raises DatabaseUnavailable when the database cannot be reached.
    """
    breaker.require_closed()
    with translated_errors(), Session(current_engine()) as session:
        session.connection(
            execution_options={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        )
        breaker.close()
        _confine(session, IDENTITY.get())
        yield session


def _confine(session: Session, acting: RequestIdentity | None) -> None:
    if acting is not None and not acting.sees_people:
        session.execute(_MASKED)
    if acting is not None and acting.customer_id is not None:
        session.execute(_AS_CUSTOMER, {"tenant": str(acting.customer_id)})
