"""Generated from `async_caller.py` by `make clients`; do not edit."""

import time
from collections.abc import Iterator, Callable
from typing import Any, TypeVar

import httpx

from .calls import Answer, Page, Request, raise_failure, read, request
from .retries import Retries

Item = TypeVar("Item")


class Caller:
    """Sends requests, and gives their answers."""

    def __init__(self, http: httpx.Client, retries: Retries) -> None:
        self._http, self._retries = http, retries

    def _send(self, asked: Request) -> httpx.Response:
        """The answer. Raises ApiError and NoAnswer."""
        parts: dict[str, Any] = {"content": asked.content, "headers": asked.headers}
        return self._tried(lambda: self._http.request(asked.method, asked.path, **parts))

    def _tried(self, once: Callable[[], httpx.Response]) -> httpx.Response:
        tried = 0
        while True:
            tried += 1
            try:
                answer: httpx.Response | httpx.TransportError = once()
            except httpx.TransportError as error:
                answer = error
            if isinstance(answer, httpx.Response) and answer.status_code < 400:
                return answer
            pause = self._retries.pause(tried, answer)
            if pause is None:
                raise_failure(answer)
            time.sleep(pause)

    def _call(self, kind: type[Answer], method: str, path: str, **parts: Any) -> Answer:
        return read(kind, self._send(request(method, path, **parts)))

    def _content(self, method: str, path: str, **parts: Any) -> bytes:
        headers = {"Accept": "*/*"}
        answer = self._send(request(method, path, headers=headers, **parts))
        return answer.content

    def _nothing(self, method: str, path: str, **parts: Any) -> None:
        self._send(request(method, path, **parts))

    @staticmethod
    def _entries(
        page_at: Callable[[str | None], Page[Item]],
    ) -> Iterator[Item]:
        cursor: str | None = None
        while True:
            page = page_at(cursor)
            for entry in page.data:
                yield entry
            cursor = page.next_cursor
            if cursor is None:
                return
