"""What the models are made of. The tables themselves stand in alembic/sql/tables.

A model names the columns that Python reads. What must always hold, and what each column means,
stands in the SQL alone. `make check` compares the columns.

Invariant: every table of a customer's data leads with `customer_id` in its keys, so that a
statement about one customer touches that customer's rows alone; the tables that all customers share
say so in their comment. What must always hold is a constraint, money is integer cents, and an
instant is a `timestamptz`. Three times are never mixed: `timestamp` (when it happened),
`received_at` (when we stored it), `finalized_at` (when its period was closed).
"""

import enum
import uuid
from datetime import datetime
from typing import Annotated, Any, ClassVar

from sqlalchemy import DateTime, Enum, ForeignKey, MetaData, Text, func
from sqlalchemy.dialects.postgresql import JSONB, UUID
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from common.enums import (
    CapScope,
    DisputeReason,
    DisputeStatus,
    EngagementLevel,
    MailStatus,
    Outcome,
    Role,
)
from common.identifiers import UserKind

# Byte order: the order and equality of these texts must not depend on a server's locale.
ByteOrdered = Text(collation="C")


def enum_type(values: type[enum.StrEnum], name: str) -> Enum:
    return Enum(
        values,
        name=name,
        values_callable=lambda kind: [member.value for member in kind],
    )


LEVEL = enum_type(EngagementLevel, "engagement_level")
CAP_SCOPE = enum_type(CapScope, "cap_scope")
OUTCOME = enum_type(Outcome, "outcome")
USER_KIND = enum_type(UserKind, "user_kind")
KEY_ROLE = enum_type(Role, "key_role")
DISPUTE_REASON = enum_type(DisputeReason, "dispute_reason")
MAIL_STATUS = enum_type(MailStatus, "delivery_status")
DISPUTE_STATUS = enum_type(DisputeStatus, "dispute_status")


class Base(DeclarativeBase):
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        str: Text(),
        uuid.UUID: UUID(as_uuid=True),
        dict[str, Any]: JSONB(),
        EngagementLevel: LEVEL,
        CapScope: CAP_SCOPE,
        Outcome: OUTCOME,
        UserKind: USER_KIND,
        Role: KEY_ROLE,
        DisputeReason: DISPUTE_REASON,
        DisputeStatus: DISPUTE_STATUS,
        MailStatus: MAIL_STATUS,
    }


def stored_at() -> Mapped[datetime]:
    return mapped_column(server_default=func.now())


def reference(column: str) -> ForeignKey:
    """A foreign key; the table refuses to lose what it names."""
    return ForeignKey(column, ondelete="RESTRICT")


OfCustomer = Annotated[
    uuid.UUID, mapped_column(reference("customers.customer_id"), primary_key=True)
]


def refers_to(target: str) -> dict[str, str]:
    """What a column refers to where something else than a foreign key sees to it."""
    return {"refers_to": target}


class View(DeclarativeBase):
    """What is read like a table and is none."""

    metadata = MetaData()
    type_annotation_map = Base.type_annotation_map
