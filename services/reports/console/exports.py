"""/console/exports: asking for a file, seeing how far it is, and downloading it.

A link to a file of a report that is too large to be answered leads here, too.
"""

from uuid import UUID

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.orm import Session

from common.database.transactions import snapshot
from common.exports.jobs import get_export, list_exports, order_export
from common.exports.kinds import DELIMITERS, FORMATS_OF, ExportFormat, ExportKind
from common.file_store.store import file_store
from common.problems import Problem
from common.reports.dashboard import active_months
from common.settings import settings
from services.reports.api.dependencies import Snapshot
from services.reports.api.schemas.exports import ExportBody
from services.reports.console.forms import Form, parsed
from services.reports.console.pages import page, see_other
from services.reports.http.authorization import principal_of
from services.reports.http.routes import Router

router = Router()

_EXPORTS_A_PAGE = 50
_FIELDS = ("kind", "format", "period", "customer_ids", "delimiter", "decimal")


@router.get("/console/exports", response_class=HTMLResponse)
def show_exports(
    request: Request, session: Snapshot, export_id: UUID | None = None
) -> HTMLResponse:
    """The form, and the newest exports. `export_id`: the one that stands for a file of a report."""
    return _page(request, session, {}, export_id=export_id)


@router.post("/console/exports", response_class=HTMLResponse)
def start_export(request: Request, form: Form) -> Response:
    """Asks for a file, and redirects to the list."""
    values = {name: form.get(name, "").strip(" \r\n") for name in _FIELDS}
    try:
        file_store(settings())
        members: dict[str, object] = {name: value for name, value in values.items() if value}
        if values["customer_ids"]:
            members["customer_ids"] = values["customer_ids"].split()
        if values["kind"] == ExportKind.VERIFICATION:
            members.pop("format", None)
        order_export(parsed(ExportBody, members).order(), principal_of(request))
    except Problem as problem:
        with snapshot() as session:
            return _page(request, session, values, problem)
    return see_other(request, "console/exports")


def _page(
    request: Request,
    session: Session,
    values: dict[str, str],
    problem: Problem | None = None,
    export_id: UUID | None = None,
) -> HTMLResponse:
    return page(
        request,
        "exports.html",
        "Exports",
        problem,
        values=dict.fromkeys(_FIELDS, "") | values,
        kinds=list(ExportKind),
        formats=list(ExportFormat),
        formats_of=FORMATS_OF,
        delimiters=DELIMITERS,
        months=active_months(session),
        exports=list_exports(session, None, _EXPORTS_A_PAGE),
        wanted=export_id and get_export(session, export_id),
    )
