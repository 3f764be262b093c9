"""/console/disputes: what customers do not want to pay, and what comes of it."""

from typing import Literal
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from common.catalog.customers import get_customer
from common.disputes import search
from common.disputes.open import open_dispute, resolve_dispute
from common.disputes.schemas import NewDispute, Resolution
from common.disputes.search import DisputeFilter, DisputeKey, get_dispute
from common.enums import DisputeReason, DisputeStatus
from common.identifiers import customer_id as uuid_of
from common.leads.search import get_lead, list_actions
from common.problems import Problem
from common.request_model import Id
from services.reports.api.dependencies import Cursor, Now, Snapshot, period_of
from services.reports.api.pagination import cut_page, from_cursor, to_cursor
from services.reports.console.forms import Form, attempted, parsed
from services.reports.console.pages import page, see_other
from services.reports.render.templates import query

router = APIRouter()

DISPUTES_A_PAGE = 50
ACTOR = "console"
_FIELDS = ("lead_id", "customer_id", "action_id", "reason", "note")
REASONS = {
    DisputeReason.DUPLICATE: "Duplicate contact",
    DisputeReason.INVALID_CONTACT: "Invalid contact",
    DisputeReason.OUT_OF_AREA: "Outside agreed territory",
    DisputeReason.SPAM: "Spam",
    DisputeReason.NOT_REQUESTED: "Not requested",
    DisputeReason.OTHER: "Other (see note)",
}


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
    wanted = DisputeFilter(
        customer_id=None if customer_id is None else uuid_of(customer_id),
        status=status,
        period=None if period is None else period_of(period),
    )
    after = None if cursor is None else from_cursor(cursor, DisputeKey)
    found = search.list_disputes(session, wanted, after, DISPUTES_A_PAGE + 1)
    shown, last = cut_page(found, DISPUTES_A_PAGE)
    filters = {"customer_id": customer_id, "status": status and status.value, "period": period}
    return page(
        request,
        "disputes.html",
        "disputes",
        disputes=shown,
        filters=filters,
        is_filtered=any(filters.values()),
        statuses=[each.value for each in DisputeStatus],
        reasons=REASONS,
        next_cursor=last and to_cursor(DisputeKey(last.dispute.opened_at, last.dispute.dispute_id)),
    )


@router.get("/console/dispute", response_class=HTMLResponse)
def show_dispute(request: Request, session: Snapshot, id: UUID) -> HTMLResponse:
    """One dispute with its lines, and while it is open the form that decides it."""
    return _dispute_page(request, session, id, "", None)


@router.post("/console/dispute", response_class=HTMLResponse)
def decide_dispute(request: Request, form: Form, now: Now, id: UUID) -> Response:
    """Accepts or rejects it, by the button that was pressed."""
    note = form.get("note", "")

    def decide(session: Session) -> None:
        verdict = parsed(Verdict, {"verdict": form.get("verdict", "")}).verdict
        decision = parsed(Resolution, {"note": note.strip() or None, "actor": ACTOR})
        resolve_dispute(session, id, verdict, decision, now)

    problem = attempted(decide)
    if problem is None:
        return see_other(request, "console/dispute?" + query({"id": id}))
    shown = attempted(lambda session: _dispute_page(request, session, id, note, problem))
    if isinstance(shown, Problem):
        raise shown
    return shown


@router.get("/console/new-dispute", response_class=HTMLResponse)
def ask_for_dispute(
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
        asked = {name: text.strip() or None for name, text in values.items()}
        body = parsed(NewDispute, asked | {"actor": ACTOR})
        return open_dispute(session, body, now).dispute.dispute_id

    done = attempted(dispute)
    if isinstance(done, UUID):
        return see_other(request, "console/dispute?" + query({"id": done}))
    shown = attempted(lambda session: _form_page(request, session, values, done))
    if isinstance(shown, Problem):
        raise shown
    return shown


def _dispute_page(
    request: Request, session: Session, dispute_id: UUID, note: str, problem: Problem | None
) -> HTMLResponse:
    found = get_dispute(session, dispute_id)
    return page(
        request,
        "dispute.html",
        "disputes",
        200 if problem is None else int(problem.status),
        found=found,
        customer=get_customer(session, found.customer_id),
        reasons=REASONS,
        note=note,
        problem=problem,
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
        "disputes",
        200 if problem is None else int(problem.status),
        lead=lead,
        action=actions.get(values["action_id"]),
        values={"reason": "", "note": ""} | values,
        reasons=REASONS,
        problem=problem,
    )
