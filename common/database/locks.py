"""Advisory locks, each taken in a statement of its own."""

from uuid import UUID

from sqlalchemy import Connection, text

_LOCK_CUSTOMER = text("select pg_advisory_xact_lock(hashtextextended(:customer_id, 0))")


def lock_customer(connection: Connection, customer_id: UUID) -> None:
    """Has one transaction at a time settle a customer or fix what settling depends on."""
    connection.execute(_LOCK_CUSTOMER, {"customer_id": str(customer_id)})
