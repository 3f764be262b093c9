"""Deployment."""

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from common import identifiers
from common.models import Installation
from common.settings import Settings


def require_known_hash_key(connection: Connection, settings: Settings) -> None:
    """Raises RuntimeError when the users of this database were hashed with another key.

    With another key every user would be a new one, and their repeats would be billed.
    """
    mine = identifiers.fingerprint(settings.user_secret)
    connection.execute(
        insert(Installation).values(user_hash_key_fingerprint=mine).on_conflict_do_nothing()
    )
    if connection.scalar(select(Installation.user_hash_key_fingerprint)) != mine:
        raise RuntimeError(
            "USER_HASH_KEY is not the key that this database's users are hashed with"
        )
