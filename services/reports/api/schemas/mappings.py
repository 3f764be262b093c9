"""Stored mappings."""

from datetime import datetime
from typing import Any

from pydantic import Field

from common.imports.mapping import Mapping
from common.imports.presets import Preset
from services.reports.api.schemas.answer import Answer


class MappingBody(Mapping):
    """A mapping to store: what differs from its preset (docs/imports.md)."""

    preset: Preset = Preset.GENERIC


class StoredMapping(Answer):
    """A mapping that is kept under a name."""

    name: str
    mapping: dict[str, Any] = Field(description="As it was given, with its `preset`.")
    created_at: datetime


class MappingList(Answer):
    """All mappings that the key may use, by name."""

    data: list[StoredMapping]
