"""ETag and If-None-Match: who has an answer already is not sent it again.

Invariant: the tag is made of the bytes that would be sent, so whatever changes them changes it: a
dispute, an erased user, another caller's masking.
"""

import hashlib

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class ConditionalAnswers:
    """ASGI middleware: JSON that GET answers has an ETag, and 304 stands for JSON that is known.

    Files are streamed as they are made, and have none.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        known = _tags(Headers(scope=scope).getlist("if-none-match"))
        start: Message | None = None
        body = bytearray()

        async def send_tagged(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _is_json(message):
                start = message
                return
            if start is None:
                await send(message)
                return
            body.extend(message.get("body", b""))
            if message.get("more_body"):
                return
            tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
            headers = MutableHeaders(scope=start)
            headers["ETag"] = tag
            if tag in known or "*" in known:
                start["status"] = 304
                del headers["content-type"], headers["content-length"]
                body.clear()
            await send(start)
            await send({"type": "http.response.body", "body": bytes(body)})

        await self._app(scope, receive, send_tagged)


def _is_json(start: Message) -> bool:
    headers = Headers(raw=start["headers"])
    return start["status"] == 200 and headers.get("content-type") == "application/json"


def _tags(headers: list[str]) -> set[str]:
    return {tag.strip().removeprefix("W/") for header in headers for tag in header.split(",")}
