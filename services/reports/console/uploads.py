"""A posted form with a file (multipart/form-data), as browsers send it.

Invariant: the whole body was read within the limit of files (http/body_limit.py).
"""

import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from common.problems import MalformedRequest

_FORM = re.compile(r'multipart/form-data;\s*boundary="?([^";,\s]{1,70})"?', re.IGNORECASE)
_NAME = re.compile(rb'[;\s]name="([^"]*)"')
_FILE_NAME = re.compile(rb'filename="([^"]*)"')
_MAX_PARTS = 50


@dataclass(frozen=True, slots=True)
class Upload:
    """The fields of a form, and the file that it carries."""

    fields: dict[str, str]
    file_name: str
    content: bytes


async def _upload(request: Request) -> Upload:
    found = _FORM.match(request.headers.get("content-type", ""))
    if found is None:
        raise MalformedRequest("a file arrives as multipart/form-data")
    mark = b"\r\n--" + found[1].encode()
    parts = (b"\r\n" + await request.body()).split(mark, _MAX_PARTS)
    fields: dict[str, str] = {}
    file_name, content = "", b""
    try:
        for part in parts[1:-1]:
            head, _, body = part.partition(b"\r\n\r\n")
            name = _NAME.search(head)
            named = _FILE_NAME.search(head)
            if named is not None:
                file_name, content = named[1].decode(), body
            elif name is not None:
                fields[name[1].decode()] = body.decode()
    except UnicodeDecodeError:
        raise MalformedRequest("the form could not be read") from None
    return Upload(fields, file_name, content)


Uploaded = Annotated[Upload, Depends(_upload)]
