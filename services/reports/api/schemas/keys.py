"""API keys, without the secret they are proved by."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from common.access import models
from common.enums import Role
from common.request_model import Id, Name, RequestModel
from services.reports.api.schemas.answer import Answer, ExternalId, Page, of

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
    customer_id: ExternalId | None = of("customer")
    created_at: datetime
    expires_at: datetime | None
    rotated_from: str | None


class NewKey(Key):
    """A key that was just made; `key` is shown in this answer only."""

    key: str

    @classmethod
    def from_token(cls, stored: models.ApiKey, key: str) -> "NewKey":
        return cls(**dict(Key.model_validate(stored)), key=key)


class KeyList(Page[Key]):
    """A page of keys, newest first."""
