"""The limit of a request's body.

Invariant: never more than `MAX_BODY_BYTES` of a body are read, with or without Content-Length;
where files are taken, never more than `MAX_FILE_BYTES`.
"""

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.json_reader import MAX_BODY_BYTES

MAX_FILE_BYTES = 6 * 1024 * 1024
_FORM_BYTES = 64 * 1024  # what a form has beside its file
_LIMITS = {"/imports": MAX_FILE_BYTES, "/console/imports": MAX_FILE_BYTES + _FORM_BYTES}


class BodyLimit:
    """ASGI middleware: reading more than the limit raises HTTPException 413."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        size = 0
        limit = _LIMITS.get(scope.get("path", ""), MAX_BODY_BYTES)

        async def receive_up_to_the_limit() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > limit:
                raise HTTPException(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    f"a request may hold {limit} bytes here",
                )
            return message

        await self._app(scope, receive_up_to_the_limit, send)
