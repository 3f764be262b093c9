"""Paged lists, read to their end."""

from collections.abc import Iterator
from typing import Any

import httpx

from tests.support.api import Wire


def pages(client: httpx.Client, path: str, **query: Any) -> Iterator[Wire]:
    """Every entry of a list, page by page."""
    while True:
        answer = client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        yield from answer.json()["data"]
        query["cursor"] = answer.json()["next_cursor"]
        if query["cursor"] is None:
            return
