"""Cursors: the end of a page, as an opaque text that the next request sends back.

Invariant: a cursor names a place in an order, not a number of rows, so rows that are stored between
two requests do not shift the pages.
"""

import base64
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from pydantic import TypeAdapter
from pydantic_core import to_json

from common.problems import FieldError, Invalid

Row = TypeVar("Row")


def cut_page(found: Sequence[Row], limit: int) -> tuple[Sequence[Row], Row | None]:
    """The first `limit` rows, and the last of these if another page follows."""
    page = found[:limit]
    return page, page[-1] if len(found) > limit else None


def to_cursor(place: tuple[object, ...] | str | int) -> str:
    """An opaque text for a place in an order."""
    return base64.urlsafe_b64encode(to_json(place)).decode().rstrip("=")


def from_cursor(cursor: str, kind: type[Any]) -> Any:
    """The place that `to_cursor` made the text of. Raises Invalid for any other text."""
    try:
        padded = cursor.encode() + b"=" * (-len(cursor) % 4)
        place = TypeAdapter(kind).validate_json(base64.b64decode(padded, b"-_", validate=True))
        members = [place] if isinstance(place, str | int) else place
        if not all(map(_could_be_ours, members)):
            raise ValueError("holds what the database would not take")
        return place
    except ValueError:
        raise Invalid(
            "the cursor is not one of this list's",
            [FieldError("/query/cursor", "invalid_cursor", "take it from a page's next_cursor")],
        ) from None


def _could_be_ours(member: object) -> bool:
    """Whether `to_cursor` could have been given it: the database takes less than JSON holds."""
    if isinstance(member, str):
        return "\0" not in member
    if isinstance(member, datetime):
        return member.utcoffset() == timedelta(0)
    return not isinstance(member, int) or 0 <= member < 2**31
