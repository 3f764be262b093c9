"""/console/disputes: what customers do not want to pay, and the result."""

from functools import partial
from typing import Literal
from uuid import UUID

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from common.catalog.customers import get_customer
from common.database.transactions import snapshot
from common.disputes import search
from common.disputes.disputing import open_dispute, resolve_dispute
from common.disputes.schemas import REASONS, NewDispute, Resolution
from common.disputes.search import DisputeFilter, get_dispute
from common.enums import DisputeStatus
from common.identifiers import customer_id as uuid_of
from common.leads.search import get_lead, list_actions
from common.problems import Problem
from common.request_model import Id
from services.reports.api.dependencies import Cursor, Now, Snapshot, period_of
from services.reports.api.pagination import DISPUTES
from services.reports.console.forms import Form, attempted, parsed
from services.reports.console.pages import list_page, page, see_other
from services.reports.http.routes import Router
from services.reports.render.templates import query

router = Router()

DISPUTES_A_PAGE = 50
ACTOR = "console"
_FIELDS = ("lead_id", "customer_id", "action_id", "reason", "note")
REASON_NAMES = {reason: words.name for reason, words in REASONS.items()}


class Verdict(BaseModel):
    """What the pressed button says."""

    verdict: Literal[DisputeStatus.ACCEPTED, DisputeStatus.REJECTED]


@router.get("/console/disputes", response_class=HTMLResponse)
def list_disputes(
    request: Request,
    session: Snapshot,
    customer_id: Id | None = None,
    status: DisputeStatus | None = None,
    period: str | None = None,
    cursor: Cursor = None,
) -> HTMLResponse:
    """Disputes, newest first."""
    filters = DisputeFilter(
        customer_id=None if customer_id is None else uuid_of(customer_id),
        status=status,
        period=None if period is None else period_of(period),
    )
    find = partial(search.list_disputes, session, filters)
    return list_page(
        request,
        "disputes.html",
        "Disputes",
        DISPUTES.page(find, cursor, DISPUTES_A_PAGE, filters),
        ["customer_id", "status", "period"],
        statuses=[status.value for status in DisputeStatus],
        reasons=REASON_NAMES,
    )


@router.get("/console/dispute", response_class=HTMLResponse)
def show_dispute(request: Request, session: Snapshot, id: UUID) -> HTMLResponse:
    """One dispute with its lines, and the form that resolves it while it is open."""
    return _dispute_page(request, session, id, "", None)


@router.post("/console/dispute", response_class=HTMLResponse)
def post_resolution(request: Request, form: Form, now: Now, id: UUID) -> Response:
    """Accepts or rejects the dispute, by the button that was pressed."""
    note = form.get("note", "")

    def resolve(session: Session) -> None:
        verdict = parsed(Verdict, {"verdict": form.get("verdict", "")}).verdict
        resolution = parsed(Resolution, {"note": note.strip() or None, "actor": ACTOR})
        resolve_dispute(session, id, verdict, resolution, now)

    problem = attempted(resolve)
    if problem is None:
        return see_other(request, "console/dispute?" + query({"id": id}))
    with snapshot() as session:
        return _dispute_page(request, session, id, note, problem)


@router.get("/console/new-dispute", response_class=HTMLResponse)
def show_form(
    request: Request,
    session: Snapshot,
    lead_id: Id,
    customer_id: Id | None = None,
    action_id: UUID | None = None,
) -> HTMLResponse:
    """The form that disputes a line, or without `action_id` a whole lead."""
    values = {
        "lead_id": lead_id,
        "customer_id": customer_id or "",
        "action_id": str(action_id or ""),
    }
    return _form_page(request, session, values, None)


@router.post("/console/new-dispute", response_class=HTMLResponse)
def post_dispute(request: Request, form: Form, now: Now) -> Response:
    values = {name: form.get(name, "") for name in _FIELDS}

    def dispute(session: Session) -> UUID:
        fields = {name: text.strip() or None for name, text in values.items()}
        body = parsed(NewDispute, fields | {"actor": ACTOR})
        return open_dispute(session, body, now).dispute.dispute_id

    result = attempted(dispute)
    if isinstance(result, UUID):
        return see_other(request, "console/dispute?" + query({"id": result}))
    with snapshot() as session:
        return _form_page(request, session, values, result)


def _dispute_page(
    request: Request, session: Session, dispute_id: UUID, note: str, problem: Problem | None
) -> HTMLResponse:
    row = get_dispute(session, dispute_id)
    return page(
        request,
        "dispute.html",
        "Disputes",
        problem,
        row=row,
        customer=get_customer(session, row.customer_id),
        reasons=REASON_NAMES,
        note=note,
    )


def _form_page(
    request: Request, session: Session, values: dict[str, str], problem: Problem | None
) -> HTMLResponse:
    customer = values["customer_id"] or None
    lead = get_lead(session, values["lead_id"], customer)
    actions = {str(action.action_id): action for action in list_actions(session, lead)}
    return page(
        request,
        "new_dispute.html",
        "Disputes",
        problem,
        lead=lead,
        action=actions.get(values["action_id"]),
        values={"reason": "", "note": ""} | values,
        reasons=REASON_NAMES,
    )
