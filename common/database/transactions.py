"""Transactions: one per request, committed at its edge, in the name of who makes the request."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from common.database.engine import current_engine
from common.database.errors import translated_errors


@dataclass(frozen=True, slots=True)
class RequestIdentity:
    """For whom the work of this request is done.

    `actor` is what the audit names. With `customer_id`, the database shows that customer's rows
    alone, whatever is asked of it (common/database/grants.py).
    """

    actor: str
    customer_id: UUID | None = None


IDENTITY: ContextVar[RequestIdentity | None] = ContextVar("acting", default=None)
_AS_CUSTOMER = text(
    "select set_config('role', 'lead_billing_customer', true),"
    " set_config('lead_billing.tenant', :tenant, true)"
)
_AS_ACTOR = text("select set_config('lead_billing.actor', :actor, true)")


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


@contextmanager
def transaction() -> Iterator[Session]:
    """A READ COMMITTED transaction: committed when the block ends, rolled back when it raises.

    Raises DatabaseUnavailable when the database cannot be reached.
    """
    with (
        translated_errors(),
        Session(current_engine(), expire_on_commit=False) as session,
        session.begin(),
    ):
        session.connection()  # here, so that a database that is away is noticed here
        acting = IDENTITY.get()
        if acting is not None:
            session.execute(_AS_ACTOR, {"actor": acting.actor})
            _confine(session, acting)
        yield session


@contextmanager
def snapshot() -> Iterator[Session]:
    """A read-only transaction in which every statement sees the same data.

    Raises DatabaseUnavailable when the database cannot be reached.
    """
    with translated_errors(), Session(current_engine()) as session:
        session.connection(
            execution_options={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        )
        _confine(session, IDENTITY.get())
        yield session


def _confine(session: Session, acting: RequestIdentity | None) -> None:
    if acting is not None and acting.customer_id is not None:
        session.execute(_AS_CUSTOMER, {"tenant": str(acting.customer_id)})
