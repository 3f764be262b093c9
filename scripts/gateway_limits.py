"""What API Gateway and Lambda carry, and how an HTTP API answers when it is more than that.

The local gateway and the emulator's extension both hold to it, so what works there works on AWS.
From https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html and
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html. AWS documents no texts of
these answers; they are as its users report them.
"""

import asyncio
import json
from collections.abc import Coroutine, Mapping
from typing import Any, NamedTuple, TypeVar

MAX_BODY_BYTES = 10 * 1024 * 1024
# Of a function's event and of its answer, as JSON: what Lambda's error names.
MAX_PAYLOAD_BYTES = 6_291_556
# The service may be such a function, too.
MAX_ANSWER_BYTES = MAX_PAYLOAD_BYTES
# As terraform/modules/api_gateway sets it; AWS allows 30.
SECONDS = 29.0

_LARGEST_CHARACTER = 6  # bytes in JSON: \u0000
_BESIDE_THE_BODY = 256 * 1024


class Refusal(NamedTuple):
    """An answer of the gateway itself."""

    status: int
    message: str

    @property
    def body(self) -> bytes:
        return json.dumps({"message": self.message}, separators=(",", ":")).encode()


HEADERS = {"Content-Type": "application/json"}
REQUEST_TOO_LARGE = Refusal(413, "Request Entity Too Large")
ANSWER_TOO_LARGE = Refusal(500, "Internal Server Error")
TOOK_TOO_LONG = Refusal(503, "Service Unavailable")

Result = TypeVar("Result")


def is_over_payload(document: Mapping[str, Any]) -> bool:
    """Whether an event or an answer, with its `body` as a text, is more than Lambda carries."""
    body = document.get("body") or ""
    if len(body) * _LARGEST_CHARACTER + _BESIDE_THE_BODY <= MAX_PAYLOAD_BYTES:
        return False
    return len(json.dumps(document, ensure_ascii=False).encode()) > MAX_PAYLOAD_BYTES


async def in_time(work: Coroutine[Any, Any, Result], seconds: float) -> Result | None:
    """The result, or None if it takes longer: then the work goes on, and nobody hears of it."""
    task = asyncio.ensure_future(work)
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)
    done, _ = await asyncio.wait({task}, timeout=seconds)
    return task.result() if done else None


_under_way: set[asyncio.Future[Any]] = set()
