"""API keys, without the secret they are proved by."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from common.access import models
from common.enums import Role
from common.request_model import Id, Name, RequestModel
from services.reports.api.schemas.answer import Answer, Page

MAX_OVERLAP_HOURS = 24 * 30


class KeyBody(RequestModel):
    """A key to create. With `customer_id` it reaches that customer's data alone."""

    name: Name
    role: Role
    customer_id: Id | None = None


class RotationBody(RequestModel):
    """How much longer the old key works."""

    overlap_hours: Annotated[int, Field(strict=True, ge=0, le=MAX_OVERLAP_HOURS)] = 24


class Key(Answer):
    """A key; only a hash of its secret is stored."""

    key_id: str
    name: str
    role: Role
    customer_id: str | None
    created_at: datetime
    expires_at: datetime | None
    rotated_from: str | None

    @classmethod
    def from_stored(cls, stored: models.ApiKey) -> "Key":
        return cls(
            key_id=stored.key_id,
            name=stored.name,
            role=stored.role,
            customer_id=stored.customer and stored.customer.external_id,
            created_at=stored.created_at,
            expires_at=stored.expires_at,
            rotated_from=stored.rotated_from,
        )


class NewKey(Key):
    """A key that was just made; `key` is shown in this answer only."""

    key: str

    @classmethod
    def from_token(cls, stored: models.ApiKey, key: str) -> "NewKey":
        return cls(**Key.from_stored(stored).model_dump(), key=key)


class KeyList(Page[Key]):
    """A page of keys, newest first."""
