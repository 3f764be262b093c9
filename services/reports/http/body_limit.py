"""The limit of a request's body.

Invariant: never more than `MAX_BODY_BYTES` of a body are read, with or without Content-Length;
where files are taken, never more than `MAX_FILE_BYTES`; of the console's forms less. An upload has
its own limit, which its route holds (api/imports.py).
"""

import re
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.file_store import store as stored
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
_OF_FILES = {"/imports", "/console/imports"}
_UPLOAD = re.compile("/imports/[^/]+/file")


def is_upload(scope: Any) -> bool:
    """Whether a request brings a file of any size."""
    return scope.get("method") == "PUT" and bool(_UPLOAD.fullmatch(scope.get("path", "")))


class BodyLimit:
    """ASGI middleware: reading more than the limit raises HTTPException 413."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        size = 0
        path = scope.get("path", "")
        usual = _MAX_FORM_BYTES if path.startswith("/console/") else MAX_BODY_BYTES
        limit = _LIMITS.get(path, usual)
        if is_upload(scope):
            limit = stored.MAX_FILE_BYTES
        told = f"a request may hold {limit} bytes here"
        if path in _OF_FILES:
            told += "; larger files are uploaded to an address of their own (docs/imports.md)"

        async def receive_up_to_the_limit() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > limit:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, told)
            return message

        await self._app(scope, receive_up_to_the_limit, send)
