"""The limit of a request's body.

Invariant: never more than `MAX_BODY_BYTES` of a body are read, with or without Content-Length;
where files are taken, never more than `MAX_FILE_BYTES`; of the console's forms less.
"""

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.json_reader import MAX_BODY_BYTES

MAX_FILE_BYTES = 6 * 1024 * 1024
_MAX_FORM_BYTES = 1024 * 1024
_BESIDE_A_FILE_BYTES = 64 * 1024
_LIMITS = {
    "/imports": MAX_FILE_BYTES,
    "/console/imports": MAX_FILE_BYTES + _BESIDE_A_FILE_BYTES,
    "/console/sign-in": 16 * 1024,  # of anybody, without a key
    "/console/sign-out": 16 * 1024,
}


class BodyLimit:
    """ASGI middleware: reading more than the limit raises HTTPException 413."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        size = 0
        path = scope.get("path", "")
        usual = _MAX_FORM_BYTES if path.startswith("/console/") else MAX_BODY_BYTES
        limit = _LIMITS.get(path, usual)

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
