"""What the generated models are made of.

Invariant: a client reads the answers of a newer server. Members and values that it does not know
are kept, and nothing is refused for them.
"""

from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """A body or an answer; members that are not known are in `model_extra`."""

    model_config = ConfigDict(extra="allow")


class OpenEnum(StrEnum):
    """Texts that are known by name; an unknown one is a member of its own."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_ = member._value_ = value
        return member
