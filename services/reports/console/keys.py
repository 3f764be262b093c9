"""/console/keys: the API keys, and creating, rotating and revoking them."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.orm import Session

from common.access import api_keys
from common.access.api_keys import create_key, revoke_key, rotate_key
from common.catalog.customers import list_customers
from common.database.transactions import snapshot
from common.enums import Role
from common.problems import Problem
from services.reports.api.dependencies import Cursor, Now, Snapshot
from services.reports.api.pagination import KEYS
from services.reports.api.schemas.keys import KeyBody
from services.reports.console.forms import Form, attempted, parsed
from services.reports.console.pages import list_page, see_other
from services.reports.http.routes import Router
from services.reports.http.shown_once import forget_shown, show_once, shown_once

router = Router()

KEYS_A_PAGE = 100
CUSTOMERS_OFFERED = 1_000


@router.get("/console/keys", response_class=HTMLResponse)
def list_keys(request: Request, session: Snapshot, now: Now, cursor: Cursor = None) -> HTMLResponse:
    """A key that was just created is shown on the page behind it, once."""
    answer = _keys_page(request, session, now, cursor, new_key=shown_once(request))
    forget_shown(request, answer)
    return answer


@router.post("/console/keys", response_class=HTMLResponse)
def change_keys(request: Request, form: Form, now: Now) -> Response:
    """Creates, rotates or revokes a key, and leads back to the keys."""

    def change(session: Session) -> str | None:
        match form.get("do"):
            case "rotate":
                return rotate_key(session, form.get("key_id", ""))[1].text
            case "revoke":
                revoke_key(session, form.get("key_id", ""))
                return None
        body = parsed(KeyBody, {name: form.get(name) or None for name in KeyBody.model_fields})
        return create_key(session, body.name, body.role, body.customer_id)[1].text

    result = attempted(change)
    if isinstance(result, Problem):
        with snapshot() as session:
            return _keys_page(request, session, now, problem=result, entered=form)
    answer = see_other(request, "console/keys")
    if result is not None:
        show_once(request, answer, result)
    return answer


def _keys_page(
    request: Request,
    session: Session,
    now: datetime,
    cursor: str | None = None,
    new_key: str | None = None,
    problem: Problem | None = None,
    entered: Mapping[str, str] | None = None,
) -> HTMLResponse:
    listed = KEYS.page(partial(api_keys.list_keys, session), cursor, KEYS_A_PAGE)
    return list_page(
        request,
        "keys.html",
        "API keys",
        listed,
        problem=problem,
        entered=entered or {},
        roles=list(Role),
        customers=list_customers(session, None, CUSTOMERS_OFFERED),
        now=now,
        new_key=new_key,
    )
