"""Sending requests in coroutines.

Invariant: every request carries the key and is repeated by one rule (`Retries`), and every answer
of 400 or above is raised as an `ApiError`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import httpx

from .calls import Answer, Page, Request, raise_failure, read, request
from .retries import Retries

Item = TypeVar("Item")


class AsyncCaller:
    """Sends requests, and gives their answers."""

    def __init__(self, http: httpx.AsyncClient, retries: Retries) -> None:
        self._http, self._retries = http, retries

    async def _send(self, asked: Request) -> httpx.Response:
        """The answer. Raises ApiError and NoAnswer."""
        parts: dict[str, Any] = {"content": asked.content, "headers": asked.headers}
        return await self._tried(lambda: self._http.request(asked.method, asked.path, **parts))

    async def _tried(self, once: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
        tried = 0
        while True:
            tried += 1
            try:
                answer: httpx.Response | httpx.TransportError = await once()
            except httpx.TransportError as error:
                answer = error
            if isinstance(answer, httpx.Response) and answer.status_code < 400:
                return answer
            pause = self._retries.pause(tried, answer)
            if pause is None:
                raise_failure(answer)
            await asyncio.sleep(pause)

    async def _call(self, kind: type[Answer], method: str, path: str, **parts: Any) -> Answer:
        return read(kind, await self._send(request(method, path, **parts)))

    async def _content(self, method: str, path: str, **parts: Any) -> bytes:
        headers = {"Accept": "*/*"}
        answer = await self._send(request(method, path, headers=headers, **parts))
        return answer.content

    async def _nothing(self, method: str, path: str, **parts: Any) -> None:
        await self._send(request(method, path, **parts))

    @staticmethod
    async def _entries(
        page_at: Callable[[str | None], Awaitable[Page[Item]]],
    ) -> AsyncIterator[Item]:
        cursor: str | None = None
        while True:
            page = await page_at(cursor)
            for entry in page.data:
                yield entry
            cursor = page.next_cursor
            if cursor is None:
                return
