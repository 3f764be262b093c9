"""Advisory locks of customers, each taken in a statement of its own.

Whoever changes what is final for a customer has its lock alone; whoever stores its leads shares it.
The statement after the lock sees all that was committed before the lock was had.
"""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

_LOCK = text("select pg_advisory_xact_lock(hashtextextended(:key, 0))")


# Takes a list of customers. Everybody locks them in this order, so that no two wait in a circle.
SHARE_CUSTOMERS = (
    "select pg_advisory_xact_lock_shared(hashtextextended(customer_id, 0)) from ("
    'select distinct customer_id collate "C" as customer_id from unnest(%s) as named (customer_id)'
    " order by 1) as customer"
)


def share_customers(session: Session, customer_ids: Iterable[UUID]) -> None:
    """Takes shared locks: nobody can take an exclusive lock until commit."""
    session.connection().exec_driver_sql(SHARE_CUSTOMERS, ([*map(str, customer_ids)],))


def lock_customer(session: Session, customer_id: UUID) -> None:
    """Takes the lock for closing a customer's month or changing what closing reads: one holder."""
    session.execute(_LOCK, {"key": str(customer_id)})


def lock_heads(session: Session) -> None:
    """Takes the exclusive lock of those who make a signed head."""
    session.execute(_LOCK, {"key": "the signed heads"})


def lock_orders(session: Session, key_id: str) -> None:
    """Takes the exclusive lock of those who look for an export of this key before they add one."""
    session.execute(_LOCK, {"key": f"exports of the key {key_id}"})


def lock_default_rate_card(session: Session) -> None:
    """Takes the exclusive lock of those who add a version of the default rate card."""
    session.execute(_LOCK, {"key": "the default rate card"})
