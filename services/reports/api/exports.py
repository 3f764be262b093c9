"""/exports: files of lines, reports and invoices, made in the background."""

import gzip
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from typing import BinaryIO
from uuid import UUID

from fastapi import Request, Response
from fastapi.responses import JSONResponse, RedirectResponse, StreamingResponse

from common.exports.jobs import get_export, list_exports, order_export
from common.exports.kinds import MEDIA_TYPES, ExportStatus
from common.file_store.store import file_store
from common.problems import Conflict, NotFound
from common.settings import settings
from services.reports.api.dependencies import Cursor, PageSize, Snapshot
from services.reports.api.pagination import EXPORTS
from services.reports.api.schemas.exports import Export, ExportBody, ExportList
from services.reports.exporting import file_of
from services.reports.http.authorization import principal_of
from services.reports.http.routes import Router

router = Router(prefix="/exports", tags=["exports"])

_PIECE_BYTES = 256 * 1024


@router.post("", status_code=202)
def post_export(request: Request, response: Response, body: ExportBody) -> Export:
    """Asks for a file. It is made in the background: ask the address in `Location` how far it is.

    `lines` holds each line and credit of the month's reports, `reports` a row for each report,
    `invoices` the final reports for accounting, `verification` what verify_report.py checks.
    """
    file_store(settings())  # refused where no file could be kept
    export = order_export(body.order(), principal_of(request))
    response.headers["Location"] = f"exports/{export.export_id}"
    return Export.from_export(export)


@router.get("")
def get_exports(session: Snapshot, limit: PageSize = 50, cursor: Cursor = None) -> ExportList:
    """The exports, newest first."""
    page, next_cursor = EXPORTS.page(partial(list_exports, session), cursor, limit)
    return ExportList(data=[Export.from_export(row) for row in page], next_cursor=next_cursor)


@router.get(
    "/{export_id}",
    response_model=Export,
    responses={303: {"model": Export, "description": "It is ready: `Location` is the file."}},
)
def show_export(session: Snapshot, export_id: UUID) -> Response:
    """How far an export is. Once its file is ready, the answer leads to it."""
    export = get_export(session, export_id)
    answer = Export.from_export(export).model_dump(mode="json")
    if export.status is not ExportStatus.READY:
        return JSONResponse(answer)
    address = file_store(settings()).address(export.file_key, file_of(export))
    return JSONResponse(answer, 303, {"Location": address or f"{export_id}/file"})


@router.get(
    "/{export_id}/file",
    response_class=Response,
    responses={
        200: {"content": {kind.partition(";")[0]: {} for kind in MEDIA_TYPES.values()}},
        303: {"description": "The file is in a bucket: `Location` is its address for 5 minutes."},
    },
)
def download_export(request: Request, session: Snapshot, export_id: UUID) -> Response:
    """The file of an export. It is kept for 7 days, or until a user is erased."""
    export = get_export(session, export_id)
    if export.status in {ExportStatus.QUEUED, ExportStatus.RUNNING}:
        raise Conflict(f"this export has no file yet: it is {export.status}")
    if export.status is not ExportStatus.READY:
        raise NotFound(f"this export has no file: it is {export.status}")
    store, described = file_store(settings()), file_of(export)
    address = store.address(export.file_key, described)
    if address is not None:
        return RedirectResponse(address, 303)
    headers = {"Content-Disposition": described.disposition}
    takes_gzip = "gzip" in request.headers.get("accept-encoding", "")
    if described.is_gzipped:
        headers["Vary"] = "Accept-Encoding"
        if takes_gzip:
            headers["Content-Encoding"] = "gzip"
    content = _pieces(store.open(export.file_key), unpacks=described.is_gzipped and not takes_gzip)
    return StreamingResponse(content, media_type=described.media_type, headers=headers)


def _pieces(file: BinaryIO, *, unpacks: bool) -> Iterator[bytes]:
    with file, gzip.GzipFile(fileobj=file) if unpacks else nullcontext(file) as content:
        while piece := content.read(_PIECE_BYTES):
            yield piece
