"""Every table, as SQLAlchemy models: the source of migrations and of docs/database.dbml.

Invariant: every table of a customer's data leads with `customer_id` in its keys, so that a
statement about one customer touches that customer's rows alone; the tables that all customers share
say so in their comment. What must always hold is a constraint, money is integer cents, and an
instant is a `timestamptz`. Three times are never mixed: `timestamp` (when it happened),
`received_at` (when we stored it), `finalized_at` (when its period was closed).
"""

import enum
import uuid
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import (
    DateTime,
    Enum,
    MetaData,
    Text,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from common.enums import CapScope, DisputeReason, DisputeStatus, EngagementLevel, Outcome, Role

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
KEY_ROLE = enum_type(Role, "key_role")
DISPUTE_REASON = enum_type(DisputeReason, "dispute_reason")
DISPUTE_STATUS = enum_type(DisputeStatus, "dispute_status")


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        str: Text(),
        uuid.UUID: UUID(as_uuid=True),
        dict[str, Any]: JSONB(),
        EngagementLevel: LEVEL,
        CapScope: CAP_SCOPE,
        Outcome: OUTCOME,
        Role: KEY_ROLE,
        DisputeReason: DISPUTE_REASON,
        DisputeStatus: DISPUTE_STATUS,
    }


def stored_at() -> Mapped[datetime]:
    return mapped_column(server_default=func.now())


def shared(description: str) -> dict[str, str]:
    """The comment of a table that all customers share: it is small, and not keyed by customer."""
    return {"comment": f"shared by all customers, and small: {description}"}


def refers_to(target: str) -> dict[str, str]:
    """What a column refers to where something else than a foreign key sees to it."""
    return {"refers_to": target}


class View(DeclarativeBase):
    """What is read like a table and is none."""

    metadata = MetaData()
    type_annotation_map = Base.type_annotation_map
