"""Advisory locks of customers, each taken in a statement of its own.

Whoever changes what is final for a customer has its lock alone; whoever stores its leads shares it.
The statement after the lock sees all that was committed before the lock was had.
"""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

_LOCK = text("select pg_advisory_xact_lock(hashtextextended(:key, 0))")


# Takes a list of customers from `shared_by`.
SHARE_CUSTOMERS = (
    "select pg_advisory_xact_lock_shared(hashtextextended(customer_id, 0))"
    " from unnest(%s) as customer (customer_id)"
)


def shared_by(customer_ids: Iterable[UUID]) -> list[str]:
    """The customers in the order in which everybody locks them, so that no two wait in a circle."""
    return sorted(map(str, set(customer_ids)))


def share_customer(session: Session, customer_id: UUID) -> None:
    """Keeps everybody from having the customer's lock alone until the transaction ends."""
    session.connection().exec_driver_sql(SHARE_CUSTOMERS, (shared_by([customer_id]),))


def lock_customer(session: Session, customer_id: UUID) -> None:
    """Lets one transaction at a time close a customer's month, or change what closing reads."""
    session.execute(_LOCK, {"key": str(customer_id)})


def lock_default_rate_card(session: Session) -> None:
    """Has one transaction at a time add a version of the default rate card."""
    session.execute(_LOCK, {"key": "the default rate card"})
