"""The tables of standing totals: what the open months come to, as they were last rated.

Invariant, in every snapshot: the rows of a user's open month are what rating it in that snapshot
gives, or a row of the backlog covers it. So they are only read together with the backlog. Rows of
closed months are read by nobody, and deleted when their customer is caught up with.
"""

import uuid
from datetime import date

from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, text
from sqlalchemy.orm import Mapped, mapped_column

from common.database.base import Base, ByteOrdered, refers_to


class _OfMonth:
    """What the lines of a customer's month come to, or of a part of it."""

    customer_id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, info=refers_to("customers.customer_id"), sort_order=-20
    )
    period: Mapped[date] = mapped_column(primary_key=True, sort_order=-19)
    gross_cents: Mapped[int] = mapped_column(BigInteger)
    billed_cents: Mapped[int] = mapped_column(BigInteger)
    duplicate_cents: Mapped[int] = mapped_column(BigInteger)
    cap_cents: Mapped[int] = mapped_column(BigInteger)
    actions: Mapped[int] = mapped_column(BigInteger)
    unpriced: Mapped[int] = mapped_column(BigInteger, comment="actions without a price")


class _OfLeads(_OfMonth):
    """The sums of a part of a month that has several leads."""

    leads: Mapped[int] = mapped_column(BigInteger)
    leads_without_user: Mapped[int] = mapped_column(BigInteger)


def _adds_up() -> CheckConstraint:
    return CheckConstraint("gross_cents = billed_cents + duplicate_cents + cap_cents", "adds_up")


class StandingMonthTotals(_OfLeads, Base):
    """An open month of a customer, so that a list of many customers reads one row of each."""

    __tablename__ = "standing_month_totals"
    __table_args__ = (_adds_up(),)


class StandingPartTotals(_OfLeads, Base):
    """The leads of one product and lead type in an open month of a customer."""

    __tablename__ = "standing_part_totals"
    __table_args__ = (_adds_up(),)

    product_id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, info=refers_to("products.product_id")
    )
    lead_type: Mapped[str] = mapped_column(ByteOrdered, primary_key=True)


class StandingUserTotals(_OfLeads, Base):
    """One user in an open month of a customer."""

    __tablename__ = "standing_user_totals"
    __table_args__ = (
        _adds_up(),
        Index(
            "ix_standing_user_totals_largest_first",
            "customer_id",
            "period",
            text("gross_cents desc"),
            "user_key",
        ),
    )

    user_key: Mapped[uuid.UUID] = mapped_column(primary_key=True)


class StandingLeadTotals(_OfMonth, Base):
    """One lead in an open month of a customer."""

    __tablename__ = "standing_lead_totals"
    __table_args__ = (
        _adds_up(),
        Index(
            "ix_standing_lead_totals_largest_first",
            "customer_id",
            "period",
            text("gross_cents desc"),
            "lead_id",
        ),
    )

    user_key: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    lead_id: Mapped[uuid.UUID] = mapped_column(primary_key=True, info=refers_to("leads.lead_id"))
    product_id: Mapped[uuid.UUID] = mapped_column(info=refers_to("products.product_id"))
    lead_type: Mapped[str] = mapped_column(ByteOrdered)
    has_user: Mapped[bool]
    outcomes: Mapped[int] = mapped_column(
        Integer, comment="which outcomes its lines have, the outcome_bit() of each"
    )
