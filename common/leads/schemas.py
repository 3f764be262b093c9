"""A lead as it is posted."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from common.identifiers import (
    UserKind,
    normal_email,
    normal_external_id,
    normal_phone,
)
from common.request_model import MAX_TEXT_LENGTH, NO_NUL, Id, Level, RequestModel

MAX_ACTIONS = 1_000
MAX_USER_TEXT_LENGTH = 320  # the longest email address (RFC 5321)
_RFC_3339 = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})?$"  # no offset at all is told apart from a malformed one
)


class _Instant:
    """RFC 3339 with offset, and nothing else that pydantic would take for a time."""

    @classmethod
    def __get_pydantic_core_schema__(
        cls, _source: object, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.chain_schema(
            [
                core_schema.str_schema(pattern=_RFC_3339),
                core_schema.datetime_schema(tz_constraint="aware"),
            ],
            serialization=core_schema.to_string_ser_schema(),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "format": "date-time"}


def _not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("string_too_short", "must not be empty")
    return text


Instant = Annotated[datetime, _Instant]
ActionType = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_TEXT_LENGTH, pattern=NO_NUL),
    AfterValidator(_not_blank),
]
_UserText = Annotated[str, StringConstraints(max_length=MAX_USER_TEXT_LENGTH, pattern=NO_NUL)]
Email = Annotated[_UserText, AfterValidator(normal_email), AfterValidator(_not_blank)]
Phone = Annotated[_UserText, AfterValidator(normal_phone), AfterValidator(_not_blank)]
UserId = Annotated[_UserText, AfterValidator(normal_external_id), AfterValidator(_not_blank)]


class User(RequestModel):
    """The person behind a lead; at least one member."""

    email: Email | None = None
    phone: Phone | None = None
    external_id: UserId | None = None

    @model_validator(mode="after")
    def _names_someone(self) -> Self:
        if self.email is None and self.phone is None and self.external_id is None:
            raise PydanticCustomError(
                "user_unidentified", "needs at least one of email, phone and external_id"
            )
        return self

    def identity(self) -> tuple[UserKind, str]:
        """What the user is known by: the first present of email, phone and external_id."""
        if self.email:
            return UserKind.EMAIL, self.email
        if self.phone:
            return UserKind.PHONE, self.phone
        return UserKind.EXTERNAL_ID, self.external_id or ""


class Action(RequestModel):
    """One thing the user did."""

    action_type: ActionType
    timestamp: Instant
    engagement_level: Level


class Lead(RequestModel):
    """One record of interest, as it is posted."""

    lead_id: Id
    customer_id: Id
    product_id: Id
    lead_type: Annotated[
        str, StringConstraints(min_length=1, max_length=MAX_TEXT_LENGTH, pattern=NO_NUL)
    ]
    created_at: Instant
    actions: Annotated[list[Action], Field(max_length=MAX_ACTIONS)]
    user: User | None = None
