"""The limit of a request's body.

Invariant: never more than `MAX_BODY_BYTES` of a body are read, with or without Content-Length.
"""

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 2 * 1024 * 1024  # 10,000 customers to close, each with the longest id


class BodyLimit:
    """ASGI middleware: reading more than the limit raises HTTPException 413."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        size = 0

        async def receive_up_to_the_limit() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > MAX_BODY_BYTES:
                raise HTTPException(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    f"a request may hold {MAX_BODY_BYTES} bytes here",
                )
            return message

        await self._app(scope, receive_up_to_the_limit, send)
