"""The backlog: whose months must be rated again before the standing totals hold them.

Invariant: whatever changes an input of rating appends a row that covers it, in its own transaction.
Storing leads does so in its own statement (common/leads/sql/ingest_leads.sql). The backlog stands
below rating, because the catalog appends to it too.
"""

import uuid
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, func, insert, literal, select
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, Session, mapped_column

from common.catalog.models import Customer
from common.database.base import Base, refers_to

# Before the first month of any customer in any time zone.
BEGINNING = date(1, 2, 1)


class RatingBacklog(Base):
    """Some users' months, by instants: they stay right when a time zone changes.

    Appended to only, and without a unique column of its own, so that batches never wait for each
    other (docs/decisions/0020-standing-totals.md).
    """

    __tablename__ = "rating_backlog"
    __table_args__ = (
        CheckConstraint(
            "last_at = 'infinity' or date_trunc('month', first_at at time zone 'UTC')"
            " = date_trunc('month', last_at at time zone 'UTC')",
            "is_of_one_utc_month_or_has_no_end",
        ),
        {"comment": "whose months must be rated again before the standing totals hold them"},
    )

    customer_id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, info=refers_to("customers.customer_id")
    )
    entry_id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, server_default=func.gen_random_uuid()
    )
    user_key: Mapped[uuid.UUID | None] = mapped_column(comment="null: every user of the customer")
    first_at: Mapped[datetime] = mapped_column(
        comment="the months from here to last_at; instants, because the time zone can change"
    )
    last_at: Mapped[datetime]
    is_taken: Mapped[bool] = mapped_column(
        server_default="false",
        comment="only true inside the transaction that catches up with it",
    )


def append_customer(session: Session, customer_id: UUID | None, start: date) -> None:
    """Puts every month of the customer from `start` on into the backlog; None: of all customers."""
    customers = select(
        Customer.customer_id,
        func.local_midnight(literal(start), Customer.timezone),
        literal("infinity", TIMESTAMP(timezone=True)),
    )
    if customer_id is not None:
        customers = customers.where(Customer.customer_id == customer_id)
    columns = [RatingBacklog.customer_id, RatingBacklog.first_at, RatingBacklog.last_at]
    session.execute(insert(RatingBacklog).from_select(columns, customers))
