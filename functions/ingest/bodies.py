"""The body of an event: its encodings undone, within the limits.

Invariant: a body that unpacks to more than `MAX_BODY_BYTES` is refused before more of it is
unpacked.
"""

import base64
import zlib
from typing import Any

from common.json_reader import MAX_BODY_BYTES
from common.problems import MalformedRequest, TooLarge, UnsupportedMediaType

_GZIP = 16 + zlib.MAX_WBITS
_LINES = "application/x-ndjson"


def body_of(event: dict[str, Any]) -> str | bytes:
    """The body as it was before it was packed. Raises MalformedRequest, TooLarge and
    UnsupportedMediaType."""
    body: str = event.get("body") or ""
    encoding = (event.get("headers") or {}).get("content-encoding", "identity").strip().lower()
    if encoding not in {"identity", "gzip"}:
        raise UnsupportedMediaType("a body is sent as it is, or as Content-Encoding: gzip")
    if not event.get("isBase64Encoded"):
        if encoding == "gzip":
            raise MalformedRequest("the body is not gzip, although it is declared so")
        return body
    try:
        content = base64.b64decode(body, validate=True)
    except ValueError:  # also of a text that is not ASCII
        raise MalformedRequest("the body is not base64, although it is declared so") from None
    return _unpacked(content) if encoding == "gzip" else content


def has_lines(event: dict[str, Any]) -> bool:
    """Whether each line of the body is a lead. Raises UnsupportedMediaType for other types.

    A body without a type is read as JSON.
    """
    content_type = (event.get("headers") or {}).get("content-type", "")
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == _LINES:
        return True
    kind, _, subtype = media_type.partition("/")
    if media_type and not (kind == "application" and subtype.rpartition("+")[2] == "json"):
        raise UnsupportedMediaType(f"send leads as application/json or {_LINES}")
    return False


def _unpacked(content: bytes) -> bytes:
    unpacking = zlib.decompressobj(_GZIP)
    try:
        body = unpacking.decompress(content, MAX_BODY_BYTES + 1)
    except zlib.error:
        raise MalformedRequest("the body is not gzip, although it is declared so") from None
    if len(body) > MAX_BODY_BYTES:
        raise TooLarge(f"a request may hold {MAX_BODY_BYTES} bytes, unpacked; this one holds more")
    if not unpacking.eof or unpacking.unused_data:
        raise MalformedRequest("the body is not one whole gzip member")
    return body
