"""What a caller sends to open or resolve a dispute."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from common.request_model import NO_NUL, Id, RequestModel

MAX_NOTE_LENGTH = 1_000
Note = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=MAX_NOTE_LENGTH, pattern=NO_NUL
    ),
]
Actor = Annotated[Id, Field(description="Who asks for it.")]
Reason = Literal["duplicate", "invalid_contact", "out_of_area", "spam", "not_requested", "other"]


class NewDispute(RequestModel):
    """A dispute of one final line, or of all final lines of a lead."""

    lead_id: Id
    customer_id: Annotated[
        Id | None,
        Field(description="The lead's; needed where several customers have a lead of that id."),
    ] = None
    action_id: Annotated[
        UUID | None, Field(description="The line's action; without it, the whole lead is disputed.")
    ] = None
    reason: Reason
    note: Annotated[
        Note | None,
        Field(validate_default=True, description="Required if the reason is `other`."),
    ] = None
    actor: Actor = "api"

    @field_validator("note")
    @classmethod
    def _other_says_what(cls, note: str | None, info: ValidationInfo) -> str | None:
        if note is None and info.data.get("reason") == "other":
            raise PydanticCustomError("missing_note", "is required if the reason is `other`")
        return note


class Resolution(RequestModel):
    """Who accepts or rejects a dispute, and why."""

    note: Note | None = None
    actor: Actor = "api"
