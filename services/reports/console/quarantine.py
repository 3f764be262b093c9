"""/console/quarantine: leads of unknown customers or products, and importing them."""

from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel

from common.database.transactions import snapshot
from common.leads.quarantine import (
    Cause,
    QuarantineKey,
    quarantine_causes,
    quarantined_leads,
    replay,
)
from common.problems import Problem
from common.request_model import Id
from common.settings import settings
from services.reports.api.dependencies import Cursor, Now, Snapshot
from services.reports.api.pagination import cut_page, from_cursor, to_cursor
from services.reports.console.forms import Form, attempted, parsed
from services.reports.console.pages import page, see_other
from services.reports.render.templates import query

router = APIRouter()

LEADS_A_PAGE = 50
MAX_AT_ONCE = 500

# By reason: the form that registers what is missing, and its name.
_FORMS = {
    "unknown_customer": ("console/customer", "customer"),
    "unknown_product": ("console/product", "product"),
}


class OneLead(BaseModel):
    quarantine_id: UUID


class OneCause(BaseModel):
    reason: Id
    missing_id: Id


@router.get("/console/quarantine", response_class=HTMLResponse)
def show_quarantine(
    request: Request,
    session: Snapshot,
    reason: Id | None = None,
    missing_id: Id | None = None,
    cursor: Cursor = None,
    stored: int | None = None,
    waiting: int | None = None,
    more: int | None = None,
) -> HTMLResponse:
    """Missing customers and products, and the leads of one of them or of all."""
    cause = None if reason is None or missing_id is None else Cause(reason, missing_id)
    after = None if cursor is None else from_cursor(cursor, QuarantineKey)
    held = quarantined_leads(session, after, LEADS_A_PAGE + 1, cause)
    shown, last = cut_page(held, LEADS_A_PAGE)
    return page(
        request,
        "quarantine.html",
        "quarantine",
        causes=quarantine_causes(session),
        forms=_FORMS,
        cause=cause,
        leads=shown,
        filters={"reason": reason, "missing_id": missing_id},
        next_cursor=last and to_cursor(QuarantineKey(last.received_at, last.quarantine_id)),
        result=None if stored is None else (stored, waiting or 0, more or 0),
    )


@router.post("/console/quarantine", response_class=HTMLResponse)
def replay_leads(request: Request, form: Form, now: Now) -> Response:
    """Imports one lead, or up to 500 of one cause, each in a transaction of its own."""
    more = 0
    if "quarantine_id" in form:
        chosen = [parsed(OneLead, dict(form)).quarantine_id]
    else:
        wanted = parsed(OneCause, dict(form))
        with snapshot() as session:
            cause = Cause(wanted.reason, wanted.missing_id)
            held = quarantined_leads(session, None, MAX_AT_ONCE + 1, cause)
        chosen = [each.quarantine_id for each in held[:MAX_AT_ONCE]]
        more = len(held) > MAX_AT_ONCE
    known = settings()
    done = [
        attempted(lambda session, each=each: replay(session, each, known, now))  # type: ignore[misc]
        for each in chosen
    ]
    refused = sum(isinstance(each, Problem) for each in done)
    result = {"stored": len(done) - refused, "waiting": refused, "more": int(more)}
    return see_other(request, "console/quarantine?" + query(result))
