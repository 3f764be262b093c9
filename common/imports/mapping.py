"""A mapping: which column or constant each field of a lead comes from, and how its values are read.

Invariant: a mapping that is valid here has one source for each field and names no file: whether a
file has its columns is found out when the file is known (common/imports/mapped_rows.py).
"""

import re
from typing import Annotated, Any, Literal, get_args
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from common.request_model import NO_NUL, RequestModel

LeadField = Literal[
    "lead_id",
    "customer_id",
    "product_id",
    "lead_type",
    "created_at",
    "user.email",
    "user.phone",
    "user.external_id",
]
ActionField = Literal["action_type", "timestamp", "engagement_level"]
LEAD_FIELDS: tuple[str, ...] = get_args(LeadField)
ACTION_FIELDS: tuple[str, ...] = get_args(ActionField)
TIME_FIELDS = frozenset({"created_at", "timestamp"})
REQUIRED_FIELDS = ("lead_id", "customer_id", "product_id", "lead_type", "created_at")

MAX_ACTIONS_A_ROW = 50
MAX_TRANSLATIONS = 200
# Each at most once: a pattern that repeats them could take exponential time.
_DIRECTIVES = frozenset("YymdHIMSpfzbBjaA")

Encoding = Literal[
    "utf-8",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "windows-1250",
    "windows-1251",
    "windows-1252",
    "iso-8859-1",
    "iso-8859-2",
    "iso-8859-15",
    "shift_jis",
    "gb18030",
    "big5",
    "euc-kr",
]


def _time_zone(name: str) -> str:
    if name not in available_timezones():
        raise PydanticCustomError(
            "unknown_time_zone", "must be an IANA time zone, such as Europe/Berlin"
        )
    return name


def _date_format(text: str) -> str:
    directives = re.findall("%(.?)", text.replace("%%", ""))
    if not set(directives) <= _DIRECTIVES or len(set(directives)) < len(directives):
        raise PydanticCustomError(
            "invalid_date_format", "takes directives such as %d.%m.%Y %H:%M, each at most once"
        )
    return text


def _separator(text: str) -> str:
    if text in '"\r\n' or text.isalnum():
        raise PydanticCustomError("invalid_delimiter", "must not be a letter, digit or line end")
    return text


Text = Annotated[str, StringConstraints(max_length=400, pattern=NO_NUL)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=NO_NUL)]
Names = Name | Annotated[list[Name], Field(min_length=1, max_length=20)]
Translations = Annotated[dict[Text, Text], Field(max_length=MAX_TRANSLATIONS)]


class ActionSources(RequestModel):
    """Where the fields of one action of a row come from."""

    columns: dict[ActionField, Names] = Field({})
    constants: dict[ActionField, Text] = Field({})
    values: dict[ActionField, Translations] = Field({})


class Mapping(RequestModel):
    """How the rows of a file become leads (docs/imports.md).

    A field of an action stands beside those of the lead where each row has one action; `actions`
    lists several, and an empty list says that rows have none.
    """

    columns: dict[LeadField | ActionField | Literal["actions"], Names] = Field(
        {}, description="The column of each field; of several names, the first that is there."
    )
    constants: dict[LeadField | ActionField, Text] = Field(
        {}, description="The value of a field that has no column, or whose cell is empty."
    )
    values: dict[LeadField | ActionField, Translations] = Field(
        {}, description="What a cell's text stands for, by field."
    )
    prefixes: dict[LeadField, Text] = Field(
        {}, description="What is taken off the beginning of a field's cells."
    )
    actions: Annotated[list[ActionSources], Field(max_length=MAX_ACTIONS_A_ROW)] | None = Field(
        None, description="The actions of a row, where it has several, or none."
    )
    time_zone: Annotated[str, AfterValidator(_time_zone)] | None = Field(
        None, description="The zone of times without an offset."
    )
    date_order: Literal["dmy", "mdy"] | None = Field(
        None, description="How 3/4/2024 is read; without it, a time of this form is refused."
    )
    date_format: (
        Annotated[str, StringConstraints(max_length=40), AfterValidator(_date_format)] | None
    ) = Field(None, description="A form of time that is tried first, as in %d.%m.%Y %H:%M.")
    test_column: Name | None = Field(
        None, description="Rows that are true here are a form's tests, and refused."
    )
    delimiter: (
        Annotated[str, StringConstraints(min_length=1, max_length=1), AfterValidator(_separator)]
        | None
    ) = Field(None, description="What stands between cells; found out by the header if left out.")
    quote: Literal['"', "'"] = '"'
    encoding: Encoding | None = Field(
        None, description="UTF-8, or what the byte order mark says, if left out."
    )

    def over(self, base: "Mapping") -> "Mapping":
        """This mapping with what it leaves out taken from `base`; a field's source is one of both.

        A constant takes the place of the base's column, and a column that of the base's constant.
        """
        given = self.model_dump(exclude_unset=True)
        merged: dict[str, Any] = base.model_dump(exclude_unset=True)
        for name in ("columns", "constants"):
            kept = {
                field: source
                for field, source in merged.get(name, {}).items()
                if field not in self.columns and field not in self.constants
            }
            merged[name] = kept | given.pop(name, {})
        for name in ("values", "prefixes"):
            merged[name] = merged.get(name, {}) | given.pop(name, {})
        whole = merged | given
        return Mapping.model_validate({name: it for name, it in whole.items() if it != {}})

    def with_customer(self, customer: str | None, given: "Mapping") -> "Mapping":
        """The mapping with the customer of a key for rows that name none, unless one is given."""
        if customer is None or "customer_id" in given.constants:
            return self
        constants = self.constants | {"customer_id": customer}
        return self.model_copy(update={"constants": constants})
