"""/console/void: taking back actions of a lead that were sent by mistake."""

from uuid import UUID

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.orm import Session

from common.database.transactions import snapshot
from common.leads.search import get_lead, list_actions
from common.problems import FieldError, Invalid, Problem
from common.request_model import Id
from common.voiding.schemas import NewVoid
from common.voiding.void import void_actions
from services.reports.api.dependencies import Snapshot
from services.reports.console.forms import Form, attempted, parsed
from services.reports.console.pages import page, see_other
from services.reports.http.routes import Router
from services.reports.render.templates import query

router = Router()

_FIELDS = ("lead_id", "customer_id", "action_id", "reason")


@router.get("/console/void", response_class=HTMLResponse)
def ask_for_void(
    request: Request,
    session: Snapshot,
    lead_id: Id,
    customer_id: Id | None = None,
    action_id: UUID | None = None,
) -> HTMLResponse:
    """The form that voids an action, or without `action_id` a whole lead."""
    values = {
        "lead_id": lead_id,
        "customer_id": customer_id or "",
        "action_id": str(action_id or ""),
    }
    return _form_page(request, session, values, None)


@router.post("/console/void", response_class=HTMLResponse)
def post_void(request: Request, form: Form) -> Response:
    values = {name: form.get(name, "").strip() for name in _FIELDS}

    def void(session: Session) -> str:
        body = {
            "customer_id": values["customer_id"] or None,
            "action_ids": [values["action_id"]] if values["action_id"] else None,
            "reason": values["reason"],
        }
        asked = parsed(NewVoid, body)
        if form.get("confirmed") != "true":
            error = FieldError("/confirmed", "not_confirmed", "must be ticked")
            raise Invalid("confirm that it cannot be undone", [error])
        lead = void_actions(session, values["lead_id"], asked)
        return query({"id": lead.external_id, "customer_id": lead.customer.external_id})

    result = attempted(void)
    if isinstance(result, str):
        return see_other(request, f"console/lead?{result}")
    with snapshot() as session:
        return _form_page(request, session, values, result)


def _form_page(
    request: Request, session: Session, values: dict[str, str], problem: Problem | None
) -> HTMLResponse:
    lead = get_lead(session, values["lead_id"], values["customer_id"] or None)
    actions = {str(action.action_id): action for action in list_actions(session, lead)}
    return page(
        request,
        "void.html",
        "Leads",
        problem,
        lead=lead,
        action=actions.get(values["action_id"]),
        action_count=len(actions),
        values={"reason": ""} | values,
    )
