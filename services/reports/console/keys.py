"""/console/keys: the API keys, and creating, rotating and revoking them."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from common.access import api_keys
from common.access.api_keys import KeyPlace, create_key, revoke_key, rotate_key
from common.database.transactions import snapshot, transaction
from common.enums import Role
from common.problems import Problem
from services.reports.api.dependencies import Cursor, Now, Snapshot
from services.reports.api.pagination import cut_page, from_cursor, to_cursor
from services.reports.api.schemas.keys import KeyBody
from services.reports.console.forms import Form, parsed
from services.reports.console.pages import page

router = APIRouter()

KEYS_A_PAGE = 100


@router.get("/console/keys", response_class=HTMLResponse)
def list_keys(request: Request, session: Snapshot, now: Now, cursor: Cursor = None) -> HTMLResponse:
    after = None if cursor is None else from_cursor(cursor, KeyPlace)
    found = api_keys.list_keys(session, after, KEYS_A_PAGE + 1)
    shown, last = cut_page(found, KEYS_A_PAGE)
    return _keys_page(
        request,
        keys=shown,
        now=now,
        next_cursor=last and to_cursor(KeyPlace(last.created_at, last.key_id)),
    )


@router.post("/console/keys", response_class=HTMLResponse)
def change_keys(request: Request, form: Form, now: Now) -> Response:
    """Creates, rotates or revokes a key. A new key is shown in this answer only."""
    shown: str | None = None
    problem: Problem | None = None
    try:
        with transaction() as session:
            match form.get("do"):
                case "rotate":
                    shown = rotate_key(session, form.get("key_id", ""))[1].text
                case "revoke":
                    revoke_key(session, form.get("key_id", ""))
                case _:
                    values = {name: form.get(name) or None for name in KeyBody.model_fields}
                    body = parsed(KeyBody, values)
                    made = create_key(session, body.name, body.role, body.customer_id)
                    shown = made[1].text
    except Problem as refused:
        shown, problem = None, refused
    with snapshot() as session:
        found = api_keys.list_keys(session, None, KEYS_A_PAGE)
    answer = _keys_page(
        request,
        keys=found,
        now=now,
        shown=shown,
        problem=problem,
        status_code=int(problem.status) if problem else 200,
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _keys_page(request: Request, status_code: int = 200, **values: Any) -> HTMLResponse:
    known = {"shown": None, "problem": None, "next_cursor": None} | values
    return page(request, "keys.html", "keys", status_code, roles=list(Role), **known)
