"""The base of every request body, and the fields that several bodies share."""

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
)
from pydantic_core import CoreSchema, core_schema

from common.identifiers import MAX_ID_LENGTH

MAX_TEXT_LENGTH = 200
NO_NUL = r"^[^\x00]*$"


class _Level:
    """High, Medium or Low in any case."""

    @classmethod
    def __get_pydantic_core_schema__(
        cls, _source: object, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.chain_schema(
            [
                core_schema.str_schema(to_lower=True),
                core_schema.literal_schema(["high", "medium", "low"]),
            ]
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "enum": ["High", "Medium", "Low"], "description": "In any case."}


Level = Annotated[Literal["high", "medium", "low"], _Level]
Name = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=MAX_TEXT_LENGTH, pattern=NO_NUL
    ),
]
Id = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID_LENGTH, pattern=NO_NUL)]


class RequestModel(BaseModel):
    """What a caller sends: nothing unknown in it, and nothing changes it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
