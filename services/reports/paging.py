"""Cursors: where a page ended, as an opaque text the caller sends back.

Invariant: a cursor names a place in an order, not a number of rows, so nothing that is stored in
between shifts the pages.
"""

import base64
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from common.problems import FieldError, Invalid


def to_cursor(place: tuple[object, ...] | str) -> str:
    """An opaque text for a place in an order."""
    return base64.urlsafe_b64encode(to_json(place)).decode().rstrip("=")


def from_cursor(cursor: str, kind: type[Any]) -> Any:
    """The place that `to_cursor` made the text of. Raises Invalid for any other text."""
    try:
        padded = cursor.encode() + b"=" * (-len(cursor) % 4)
        return TypeAdapter(kind).validate_json(base64.b64decode(padded, b"-_", validate=True))
    except (ValueError, ValidationError):
        raise Invalid(
            "the cursor is not one of this list's",
            [FieldError("/query/cursor", "invalid_cursor", "take it from a page's next_cursor")],
        ) from None
