"""The half of the Python client that waits, made of the half of coroutines."""

_WORDS = {
    "async def ": "def ",
    "async for ": "for ",
    "an `async with`": "a `with`",
    "await ": "",
    "import asyncio": "import time",
    "asyncio.sleep": "time.sleep",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    ".aclose()": ".close()",
    ".aread()": ".read()",
    ".aiter_bytes()": ".iter_bytes()",
    "Awaitable[httpx.Response]": "httpx.Response",
    "Awaitable[Page[Item]]": "Page[Item]",
    ", Awaitable": "",
    "AsyncBaseTransport": "BaseTransport",
    "AsyncCaller": "Caller",
    "AsyncClient": "Client",
    "AsyncIterator": "Iterator",
    "AsyncOperations": "Operations",
    ".async_caller": ".caller",
}


def waiting_text(text: str, source: str) -> str:
    """The module `source` with each coroutine as a function that waits."""
    head = f'"""Generated from `{source}` by `make clients`; do not edit."""'
    for coroutine, waiting in _WORDS.items():
        text = text.replace(coroutine, waiting)
    return head + text[text.index('"""', 3) + 3 :]
