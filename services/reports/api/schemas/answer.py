"""What all answers have in common: ids, months and amounts as text, and lists in pages.

`model_validate` reads an answer from an object of `common`: each member from the attribute of its
name, or from the one that `of` names.
"""

from datetime import date
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AliasPath, BaseModel, BeforeValidator, ConfigDict, Field

from common.billing_period import Period
from common.money import amount

Amount = Annotated[
    str,
    BeforeValidator(lambda cents: amount(cents) if isinstance(cents, int) else cents),
    Field(pattern=r"^-?[0-9]+\.[0-9]{2}$", examples=["12.00"]),
]
Uuid = Annotated[str, BeforeValidator(str)]
Month = Annotated[
    str, BeforeValidator(lambda month: str(Period(month) if isinstance(month, date) else month))
]
# The id that the caller gave a customer or product.
ExternalId = Annotated[str, BeforeValidator(lambda entity: getattr(entity, "external_id", entity))]
Item = TypeVar("Item")


def of(*path: str, description: str | None = None) -> Any:
    """A member that is read from another attribute, or from an attribute of an attribute."""
    return Field(validation_alias=AliasPath(*path), description=description)


class Answer(BaseModel):
    """The base of every answer."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        from_attributes=True,
        validate_by_alias=True,
        validate_by_name=True,
    )


class Page(Answer, Generic[Item]):
    """A page of a list. `next_cursor` leads to the page after it; null on the last one."""

    data: list[Item]
    next_cursor: str | None
