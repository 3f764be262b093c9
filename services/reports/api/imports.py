"""/imports: files of leads."""

import gzip
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query, Request, Response

from common.database.transactions import snapshot
from common.imports.files import MAX_COLUMNS, MAX_ROW_CHARACTERS
from common.imports.imported_files import get_import, import_file, refused_rows_of, try_file
from common.imports.presets import Preset
from common.imports.stored_mappings import chosen_mapping
from common.problems import UnsupportedMediaType
from common.request_model import Name
from common.settings import settings
from services.reports.api.dependencies import Now, Snapshot
from services.reports.api.fitting import MAX_ANSWER_BYTES
from services.reports.api.schemas.imports import DryRun, Import
from services.reports.http.authorization import principal_of
from services.reports.http.body_limit import MAX_FILE_BYTES
from services.reports.http.routes import Router

router = Router(tags=["imports"])

_GZIP_LEVEL = 4

_FILE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": f"The file: CSV, JSON or a JSON object a line; at most {MAX_FILE_BYTES} "
        f"bytes, {MAX_COLUMNS} columns and {MAX_ROW_CHARACTERS} characters a row.",
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
        202: {"model": Import, "description": "Time was over: the same file again goes on."},
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
) -> Import | DryRun:
    """Imports the leads of a file. The same file again changes nothing.

    What is wrong with the file as a whole is refused before anything is stored. Each row is judged
    as `POST /leads` judges its lead.
    """
    principal = principal_of(request)
    with snapshot() as session:
        chosen = chosen_mapping(session, principal, mapping, preset)
    if dry_run:
        response.status_code = 200
        return DryRun.from_tried(try_file(content, chosen, principal, settings(), now))
    imported = import_file(content, chosen, principal, settings(), now, file_name=file_name)
    if not imported.is_finished:
        response.status_code = 202
    return Import.from_import(imported)


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
