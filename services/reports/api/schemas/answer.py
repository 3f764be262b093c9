"""What all answers have in common: no unknown member, amounts as decimal text, lists in pages."""

from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Amount = Annotated[str, Field(pattern=r"^-?[0-9]+\.[0-9]{2}$", examples=["12.00"])]
Item = TypeVar("Item")


class Answer(BaseModel):
    """The base of every answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Page(Answer, Generic[Item]):
    """A page of a list. `next_cursor` leads to the page after it; null on the last one."""

    data: list[Item]
    next_cursor: str | None
