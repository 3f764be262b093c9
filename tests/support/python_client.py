"""Both Python clients in tests: the one of coroutines is waited for, so one test holds both."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from inspect import isasyncgen, iscoroutine
from typing import Any

from lead_billing_client import AsyncClient


class Waiting:
    """An AsyncClient whose methods wait."""

    def __init__(self, runner: asyncio.Runner, client: AsyncClient) -> None:
        self._runner, self._client = runner, client

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)

        def call(*given: Any, **named: Any) -> Any:
            result = method(*given, **named)
            if iscoroutine(result):
                return self._runner.run(_awaited(result))
            if isasyncgen(result):
                return self._runner.run(_all(result))
            return result

        return call


async def _awaited(result: Coroutine[Any, Any, Any]) -> Any:
    return await result


async def _all(entries: AsyncIterator[Any]) -> list[Any]:
    return [entry async for entry in entries]
