"""What holds for a database as a whole, in one row: which key its users are hashed with."""

from sqlalchemy import Connection, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from common import identifiers
from common.database.base import Base
from common.settings import Settings


class Deployment(Base):
    """What holds for this database as a whole: one row."""

    __tablename__ = "deployment"

    is_only_row: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    user_hash_key_fingerprint: Mapped[str]


def require_known_hash_key(connection: Connection, settings: Settings) -> None:
    """Raises RuntimeError if the users of this database were hashed with a different key.

    A different key would make a new user of everybody, and bill their duplicates.
    """
    fingerprint = identifiers.fingerprint(settings.user_secret)
    connection.execute(
        insert(Deployment).values(user_hash_key_fingerprint=fingerprint).on_conflict_do_nothing()
    )
    if connection.scalar(select(Deployment.user_hash_key_fingerprint)) != fingerprint:
        raise RuntimeError(
            "USER_HASH_KEY is not the key that this database's users are hashed with"
        )
