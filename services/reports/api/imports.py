"""/imports: files of leads."""

import gzip
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from common.database.transactions import snapshot
from common.file_store.store import Folder, Incoming, file_store
from common.imports.files import MAX_COLUMNS, MAX_ROW_CHARACTERS
from common.imports.imported_files import get_import, import_file, refused_rows_of, try_file
from common.imports.presets import Preset
from common.imports.stored_mappings import chosen_mapping
from common.imports.uploads import arrived, await_upload, awaited_upload
from common.problems import (
    FieldError,
    Invalid,
    MalformedRequest,
    NotFound,
    TooLarge,
    UnsupportedMediaType,
)
from common.request_model import Name
from common.settings import settings
from services.reports.api.dependencies import Now, Snapshot
from services.reports.api.fitting import MAX_ANSWER_BYTES
from services.reports.api.schemas.imports import AwaitedImport, DryRun, Import
from services.reports.http.authorization import principal_of
from services.reports.http.body_limit import MAX_FILE_BYTES
from services.reports.http.routes import Router

router = Router(tags=["imports"])

_GZIP_LEVEL = 4
_PIECE_BYTES = 1024 * 1024

_FILE: dict[str, Any] = {
    "requestBody": {
        "required": False,
        "description": "Nothing with `file_bytes`. Else the file: CSV, JSON or a JSON object a "
        f"line; at most {MAX_FILE_BYTES} bytes, {MAX_COLUMNS} columns and {MAX_ROW_CHARACTERS} "
        "characters a row.",
        "content": {
            media_type: {"schema": {"type": "string", "format": "binary"}}
            for media_type in ("text/csv", "application/x-ndjson", "application/json")
        },
    }
}


async def _content(request: Request) -> bytes:
    if request.headers.get("content-type", "").startswith("multipart/"):
        raise UnsupportedMediaType("send the file itself and no form: curl does with --data-binary")
    return await request.body()


@router.post(
    "/imports",
    status_code=201,
    responses={
        200: {"model": DryRun, "description": "A dry run: nothing was stored."},
        202: {
            "model": AwaitedImport | Import,
            "description": "With `file_bytes`: the address for the file. Else time was over: the "
            "same file again goes on.",
        },
    },
    openapi_extra=_FILE,
)
def post_import(
    request: Request,
    response: Response,
    content: Annotated[bytes, Depends(_content)],
    now: Now,
    preset: Preset | None = None,
    mapping: Annotated[
        str | None,
        Query(
            max_length=16_384,
            description="The name of a stored mapping or of a preset, or JSON (docs/imports.md).",
        ),
    ] = None,
    dry_run: bool = False,
    file_name: Name | None = None,
    file_bytes: Annotated[
        int | None,
        Query(
            ge=1,
            description="The size of a file that is uploaded: the answer is an address for it, "
            "and the body is empty.",
        ),
    ] = None,
) -> AwaitedImport | Import | DryRun:
    """Imports the leads of a file. The same file again changes nothing.

    A file of up to 6 MB is the body. For a larger one, say its size as `file_bytes`: the answer
    has an address to which the file is sent by PUT, and the import goes on by itself.

    What is wrong with the file as a whole is refused before anything is stored. Each row is judged
    as `POST /leads` judges its lead.
    """
    principal = principal_of(request)
    with snapshot() as session:
        chosen = chosen_mapping(session, principal, mapping, preset)
    if file_bytes is not None:
        if content or dry_run:
            also = FieldError(
                "/query/file_bytes", "unknown_combination", "takes no body or dry run"
            )
            raise Invalid("the file comes as the body, or is uploaded", [also])
        store = file_store(settings())
        begun = await_upload(chosen, principal, file_name, file_bytes)
        request.state.holds_secret = True
        response.status_code = 202
        response.headers["Location"] = f"imports/{begun.awaiting.import_id}"
        return AwaitedImport.from_upload(begun, store)
    if dry_run:
        response.status_code = 200
        return DryRun.from_tried(try_file(content, chosen, principal, settings(), now))
    imported = import_file(content, chosen, principal, settings(), now, file_name=file_name)
    if not imported.is_finished:
        response.status_code = 202
    return Import.from_import(imported)


_UPLOADED: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.put("/imports/{import_id}/file", status_code=202, openapi_extra=_UPLOADED)
async def put_file(
    request: Request, import_id: UUID, token: Annotated[str, Query(max_length=100)]
) -> Import:
    """Takes the file of an import, at the address that `POST /imports` gave. It needs no key.

    The file is imported in the background: ask the import how far it is.
    """
    store = file_store(settings())
    awaited = await run_in_threadpool(awaited_upload, import_id, token)
    if not isinstance(store, Folder):
        raise NotFound("the file belongs at the address of the bucket")
    size = awaited.file_bytes or 0
    _require_size(int(request.headers.get("content-length", size)), size)
    with store.receiving(str(awaited.file_key)) as incoming:
        _require_size(await _receive(request, incoming, size), size)
        return Import.from_import(await run_in_threadpool(arrived, awaited, incoming.keep))


async def _receive(request: Request, incoming: Incoming, size: int) -> int:
    """Writes the body to a file, and says how many bytes it has. Raises TooLarge."""
    received, piece = 0, bytearray()
    async for part in request.stream():
        received += len(part)
        if received > size:
            _require_size(received, size)
        piece += part
        if len(piece) >= _PIECE_BYTES or not part:
            await run_in_threadpool(incoming.file.write, bytes(piece))
            piece.clear()
    return received


def _require_size(received: int, size: int) -> None:
    if received > size:
        raise TooLarge(f"this address takes the {size} bytes that were announced")
    if received < size:
        raise MalformedRequest(f"{received} bytes came, and {size} were announced; send it again")


@router.get("/imports/{import_id}")
def show_import(request: Request, session: Snapshot, import_id: UUID) -> Import:
    """How far an import is, and its rows by what became of them."""
    return Import.from_import(get_import(session, import_id, principal_of(request)))


@router.get(
    "/imports/{import_id}/refused.csv",
    response_class=Response,
    responses={200: {"content": {"text/csv": {}}}},
)
def show_refused_rows(request: Request, session: Snapshot, import_id: UUID) -> Response:
    """The refused rows as they were, each with pointer, code and reason.

    They are kept for 30 days, or until a user is erased. Very many come packed by gzip.
    """
    text = refused_rows_of(session, import_id, principal_of(request))
    headers = {"Content-Disposition": 'attachment; filename="refused.csv"'}
    content = text.encode()
    if len(content) > MAX_ANSWER_BYTES and "gzip" in request.headers.get("accept-encoding", ""):
        content = gzip.compress(content, _GZIP_LEVEL)
        headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return Response(content, media_type="text/csv; charset=utf-8", headers=headers)
