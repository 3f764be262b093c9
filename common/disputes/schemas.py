"""What a caller sends to open or resolve a dispute."""

from datetime import datetime, timedelta
from typing import Annotated, Literal, NamedTuple
from uuid import UUID

from pydantic import Field, StringConstraints, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from common.enums import DisputeReason
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


class ReasonWords(NamedTuple):
    """How pages name a reason, and how a sentence ends that begins with "disputed as"."""

    name: str
    in_sentence: str


REASONS = {
    DisputeReason.DUPLICATE: ReasonWords("Duplicate contact", "a duplicate"),
    DisputeReason.INVALID_CONTACT: ReasonWords("Invalid contact", "an invalid contact"),
    DisputeReason.OUT_OF_AREA: ReasonWords("Outside agreed territory", "out of area"),
    DisputeReason.SPAM: ReasonWords("Spam", "spam"),
    DisputeReason.NOT_REQUESTED: ReasonWords("Not requested", "not requested"),
    DisputeReason.OTHER: ReasonWords("Other (see note)", "wrongly billed"),
}


def dispute_until(finalized_at: datetime, window_days: int) -> datetime:
    """When the dispute window of a final report ends (docs/billing-rules.md, Return)."""
    return finalized_at + timedelta(days=window_days)


class NewDispute(RequestModel):
    """A dispute of one billed line, or of all billed lines of a lead."""

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
