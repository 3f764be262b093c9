"""The tables of leads: leads, actions, quarantined leads and erased users."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column, relationship

from common.catalog.models import Customer, Product
from common.database.base import Base, ByteOrdered, OfCustomer, reference, refers_to, stored_at
from common.enums import EngagementLevel
from common.identifiers import UserKind
from common.leads.masking import shown_user


class Lead(Base):
    """One record of interest. Never deleted, and never changed but by erasing its user."""

    __tablename__ = "leads"

    customer_id: Mapped[OfCustomer]
    lead_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    external_id: Mapped[str] = mapped_column(ByteOrdered)
    product_id: Mapped[uuid.UUID] = mapped_column(reference("products.product_id"))
    lead_type: Mapped[str] = mapped_column(ByteOrdered, reference("lead_types.lead_type"))
    user_key: Mapped[uuid.UUID]
    has_user: Mapped[bool]
    known_by: Mapped[UserKind | None]
    unusable: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    user_email: Mapped[str | None]
    user_phone: Mapped[str | None]
    user_external_id: Mapped[str | None]
    created_at: Mapped[datetime]
    received_at: Mapped[datetime] = stored_at()

    customer: Mapped[Customer] = relationship(lazy="joined", innerjoin=True)
    product: Mapped[Product] = relationship(lazy="joined", innerjoin=True)

    @property
    def user_name(self) -> str | None:
        """How people call the user, by what the user is known by; None: by nothing, or erased.

        Masked for a request that may not see people.
        """
        match self.known_by:
            case UserKind.EMAIL:
                return shown_user(self.user_email)
            case UserKind.PHONE:
                return shown_user(self.user_phone)
            case UserKind.EXTERNAL_ID:
                return shown_user(self.user_external_id)
        return None


class Action(Base):
    """One thing a user did. Carries what rating needs, so that rating reads one table.

    Actions are stored by one statement, which takes them from leads that it stored or found
    (sql/ingest_leads.sql). A foreign key would check that again for each row; a guard does so once
    a statement (alembic/sql/guards.sql).
    """

    __tablename__ = "actions"

    customer_id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, info=refers_to("customers.customer_id")
    )
    lead_id: Mapped[uuid.UUID] = mapped_column(primary_key=True, info=refers_to("leads.lead_id"))
    action_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    product_id: Mapped[uuid.UUID] = mapped_column(info=refers_to("products.product_id"))
    user_key: Mapped[uuid.UUID]
    lead_type: Mapped[str] = mapped_column(ByteOrdered)
    lead_created_at: Mapped[datetime]
    action_type: Mapped[str]
    action_key: Mapped[str] = mapped_column(ByteOrdered)
    engagement_level: Mapped[EngagementLevel]
    timestamp: Mapped[datetime]
    occurrence: Mapped[int]
    received_at: Mapped[datetime] = stored_at()


class QuarantinedLead(Base):
    """A valid lead of an unknown customer or product, kept whole until it can be replayed."""

    __tablename__ = "quarantined_leads"

    customer_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    quarantine_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    lead_id: Mapped[uuid.UUID]
    product_id: Mapped[uuid.UUID]
    user_key: Mapped[uuid.UUID | None]
    lead: Mapped[dict[str, Any]]
    reason: Mapped[str]
    received_at: Mapped[datetime] = stored_at()
    position: Mapped[int]
    replayed_at: Mapped[datetime | None]


class ErasedUser(Base):
    """A user whose person was taken out: later leads of theirs are stored without it too."""

    __tablename__ = "erased_users"

    customer_id: Mapped[OfCustomer]
    user_key: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    erased_at: Mapped[datetime] = stored_at()
