"""What holds for a database as a whole, in one row: which key its users are hashed with."""

from sqlalchemy import CheckConstraint, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from common import identifiers
from common.database.base import Base, shared
from common.settings import Settings


class Deployment(Base):
    """What holds for this database as a whole: one row."""

    __tablename__ = "deployment"
    __table_args__ = (
        CheckConstraint("is_only_row", "is_the_only_row"),
        shared("what holds for the database as a whole, in one row"),
    )

    is_only_row: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    user_hash_key_fingerprint: Mapped[str] = mapped_column(
        comment="of the key its users are hashed with, which must stay the same"
    )


def require_known_hash_key(session: Session, settings: Settings) -> None:
    """Raises RuntimeError if the users of this database were hashed with a different key.

    A different key would make a new user of everybody, and bill their duplicates.
    """
    fingerprint = identifiers.fingerprint(settings.user_secret)
    session.execute(
        insert(Deployment).values(user_hash_key_fingerprint=fingerprint).on_conflict_do_nothing()
    )
    if session.scalar(select(Deployment.user_hash_key_fingerprint)) != fingerprint:
        raise RuntimeError(
            "USER_HASH_KEY is not the key that this database's users are hashed with"
        )
