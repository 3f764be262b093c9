"""Deployment."""

from sqlalchemy import (
    CheckConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from common.database.base import Base


class Deployment(Base):
    """What holds for this database as a whole: one row."""

    __tablename__ = "installation"
    __table_args__ = (CheckConstraint("is_only_row", "is_the_only_row"),)

    is_only_row: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    user_hash_key_fingerprint: Mapped[str] = mapped_column(
        comment="of the key its users are hashed with, which must stay the same"
    )
