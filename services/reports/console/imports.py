"""/console/imports: importing a file of leads, with a dry run before it."""

from typing import Any
from uuid import UUID

from fastapi import Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from common.access.authentication import Principal
from common.catalog.models import LeadType
from common.database.transactions import acting_as, snapshot, transaction
from common.enums import EngagementLevel
from common.file_store.store import MAX_FILE_BYTES as MAX_UPLOAD_BYTES
from common.file_store.store import FileStore, FileStoreMissing, file_store
from common.imports.imported_files import (
    DryRun,
    get_import,
    import_file,
    list_imports,
    try_file,
)
from common.imports.presets import ChosenMapping, Preset, choose_mapping
from common.imports.stored_mappings import (
    chosen_mapping,
    list_mappings,
    put_mapping,
)
from common.imports.uploads import await_upload
from common.leads.results import Status
from common.problems import FieldError, Invalid, MalformedRequest, Problem
from common.request_model import MAX_TEXT_LENGTH, Id
from common.settings import settings
from services.reports.api.dependencies import Now, Snapshot
from services.reports.api.schemas.imports import AwaitedImport
from services.reports.console.pages import page, see_other
from services.reports.console.uploads import Upload, Uploaded
from services.reports.http.authorization import principal_of
from services.reports.http.body_limit import MAX_FILE_BYTES
from services.reports.http.routes import Router
from services.reports.http.security import page_policy

router = Router()

_IMPORTS_A_PAGE = 20
_CONSTANTS = ("customer_id", "product_id", "lead_type", "engagement_level")
_FIELDS = ("preset", *_CONSTANTS, "time_zone", "mapping", "mapping_name")


@router.get("/console/imports", response_class=HTMLResponse)
def show_imports(
    request: Request,
    session: Snapshot,
    id: UUID | None = None,
    saved: Id | None = None,
) -> HTMLResponse:
    """The form, and what became of the import `id`; `saved` is a mapping that was just stored."""
    shown = None if id is None else get_import(session, id, principal_of(request))
    values = {} if saved is None else {"preset": saved}
    return _imports_page(request, session, values, shown=shown, saved=saved)


@router.post("/console/imports", response_class=HTMLResponse)
def post_file(request: Request, upload: Uploaded, now: Now) -> Response:
    """Says what an import would do (`do=dry`), stores its mapping (`save`), or imports the file.

    The page's script asks for an address for a larger file (`address`).
    """
    values = {name: upload.fields.get(name, "").strip() for name in _FIELDS}
    principal = principal_of(request)
    if upload.fields.get("do") == "address":
        return _address(upload, _chosen(values, principal), principal)
    tried = problem = None
    try:
        chosen = _chosen(values, principal)
        if upload.fields.get("do") == "save":
            _save(values["mapping_name"], chosen, principal)
            return see_other(request, f"console/imports?saved={values['mapping_name']}")
        if not upload.content:
            missing = FieldError("/file", "missing_field", "is required")
            raise Invalid("choose a file that is not empty", [missing])
        if upload.fields.get("do") != "dry":
            name = _name_of(upload.file_name)
            known = settings()
            done = import_file(upload.content, chosen, principal, known, now, file_name=name)
            return see_other(request, f"console/imports?id={done.import_id}")
        tried = try_file(upload.content, chosen, principal, settings(), now)
    except Problem as refused:
        problem = refused
    with snapshot() as session:
        return _imports_page(request, session, values, problem, tried=tried, upload=upload)


def _chosen(values: dict[str, str], principal: Principal) -> ChosenMapping:
    """The mapping of the form: the chosen one, over it the JSON, and over it the other fields."""
    with snapshot() as session:
        chosen = chosen_mapping(session, principal, values["preset"])
    if values["mapping"]:
        chosen = chosen.with_changes(choose_mapping(values["mapping"], chosen.preset).given)
    constants = {name: values[name] for name in _CONSTANTS if values[name]}
    fields: dict[str, Any] = {"constants": constants} if constants else {}
    if values["time_zone"]:
        fields["time_zone"] = values["time_zone"]
    return chosen.with_changes(choose_mapping(fields).given)


def _name_of(text: str) -> str | None:
    return text[-MAX_TEXT_LENGTH:].replace("\0", "") or None


def _address(upload: Upload, chosen: ChosenMapping, principal: Principal) -> JSONResponse:
    store = file_store(settings())
    try:
        size = int(upload.fields.get("file_bytes", ""))
    except ValueError:
        raise MalformedRequest("file_bytes is a number") from None
    name = _name_of(upload.fields.get("file_name", ""))
    begun = await_upload(chosen, principal, name, size)
    return JSONResponse(AwaitedImport.from_upload(begun, store).model_dump(mode="json"))


def _store() -> FileStore | None:
    try:
        return file_store(settings())
    except FileStoreMissing:
        return None


def _save(name: str, chosen: ChosenMapping, principal: Principal) -> None:
    with acting_as(principal.actor), transaction() as session:
        put_mapping(session, principal, name, chosen)


def _imports_page(
    request: Request,
    session: Session,
    values: dict[str, str],
    problem: Problem | None = None,
    *,
    shown: Any = None,
    saved: str | None = None,
    tried: DryRun | None = None,
    upload: Upload | None = None,
) -> HTMLResponse:
    store = _store()
    answer = page(
        request,
        "imports.html",
        "Import",
        problem,
        values=dict.fromkeys(_FIELDS, "") | values,
        presets=list(Preset),
        lead_types=session.scalars(select(LeadType.lead_type).order_by(LeadType.lead_type)).all(),
        levels=[level.value for level in EngagementLevel],
        shown=shown,
        saved=saved,
        mappings=[each.name for each in list_mappings(session, principal_of(request).customer_id)],
        tried=tried,
        file_name=upload and upload.file_name,
        statuses=[status.value for status in Status],
        imports=list_imports(session, principal_of(request), _IMPORTS_A_PAGE),
        max_bytes=MAX_FILE_BYTES,
        max_upload_bytes=None if store is None else MAX_UPLOAD_BYTES,
    )
    elsewhere = store and store.upload_origin()
    if elsewhere:
        answer.headers["Content-Security-Policy"] = page_policy(elsewhere)
    return answer
