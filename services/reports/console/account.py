"""/console/sign-in and its kin: who is at the console, the keys, and the audit."""

from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from common.access import api_keys
from common.access.api_keys import KeyPlace, create_key, revoke_key, rotate_key
from common.access.audit_log import AuditFilter, list_audit_entries
from common.access.authentication import authenticator
from common.database.transactions import snapshot, transaction
from common.enums import Role
from common.problems import Problem, Unauthenticated
from common.settings import settings
from services.reports.api.dependencies import Cursor, Now, Snapshot
from services.reports.api.pagination import from_cursor, to_cursor
from services.reports.api.schemas.keys import KeyBody
from services.reports.console.forms import Form, parsed
from services.reports.console.pages import page, see_other
from services.reports.http.sessions import close_session, open_session

router = APIRouter()

KEYS_A_PAGE = 100
ENTRIES_A_PAGE = 100


@router.get("/console/sign-in", response_class=HTMLResponse)
def show_sign_in(request: Request, next: str = "", ended: bool = False) -> HTMLResponse:
    """`ended`: whether a session that is over led here."""
    return _sign_in_page(request, _own_address(next), ended=ended)


@router.post("/console/sign-in", response_class=HTMLResponse)
def sign_in(request: Request, form: Form) -> Response:
    """Opens a session for a key that is good; the browser keeps no more than the key's id."""
    address = _own_address(form.get("next", ""))
    try:
        # No address of the caller's: signing in takes a key, also where others need none.
        caller = authenticator().admit(f"Bearer {form.get('key', '').strip()}", None, None)
        if caller.role is Role.INGEST:
            raise Unauthenticated("an ingest key sends leads and reads nothing: take another one")
    except Unauthenticated as problem:
        return _sign_in_page(request, address, problem)
    answer = see_other(request, address)
    open_session(request, answer, caller.key_id)
    return answer


@router.post("/console/sign-out", response_class=HTMLResponse)
def sign_out(request: Request) -> Response:
    answer = see_other(request, "console/sign-in")
    close_session(request, answer)
    return answer


def _sign_in_page(
    request: Request, address: str, problem: Problem | None = None, *, ended: bool = False
) -> HTMLResponse:
    return page(
        request,
        "sign_in.html",
        "",
        200 if problem is None else int(problem.status),
        problem=problem,
        next=address,
        ended=ended,
        idle_minutes=settings().session_idle_minutes,
    )


@router.get("/console/keys", response_class=HTMLResponse)
def list_keys(
    request: Request, connection: Snapshot, now: Now, cursor: Cursor = None
) -> HTMLResponse:
    after = None if cursor is None else from_cursor(cursor, KeyPlace)
    found = api_keys.list_keys(connection, after, KEYS_A_PAGE + 1)
    last = found[KEYS_A_PAGE - 1] if len(found) > KEYS_A_PAGE else None
    return _keys_page(
        request,
        keys=found[:KEYS_A_PAGE],
        now=now,
        next_cursor=last and to_cursor(KeyPlace(last.created_at, last.key_id)),
    )


@router.post("/console/keys", response_class=HTMLResponse)
def change_keys(request: Request, form: Form, now: Now) -> Response:
    """Makes, rotates or ends a key. A new key is in this answer, and nowhere after it."""
    shown: str | None = None
    problem: Problem | None = None
    try:
        with transaction() as connection:
            match form.get("do"):
                case "rotate":
                    shown = rotate_key(connection, form.get("key_id", ""))[1].text
                case "revoke":
                    revoke_key(connection, form.get("key_id", ""))
                case _:
                    values = {name: form.get(name) or None for name in KeyBody.model_fields}
                    body = parsed(KeyBody, values)
                    made = create_key(connection, body.name, body.role, body.customer_id)
                    shown = made[1].text
    except Problem as refused:
        shown, problem = None, refused
    with snapshot() as connection:
        found = api_keys.list_keys(connection, None, KEYS_A_PAGE)
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


@router.get("/console/audit", response_class=HTMLResponse)
def show_audit(
    request: Request,
    connection: Snapshot,
    actor: str | None = None,
    subject: str | None = None,
    subject_id: str | None = None,
    cursor: Cursor = None,
) -> HTMLResponse:
    """Every change, the newest first."""
    wanted = AuditFilter(actor=actor, subject=subject, subject_id=subject_id)
    after = None if cursor is None else from_cursor(cursor, int)
    found = list_audit_entries(connection, wanted, after, ENTRIES_A_PAGE + 1)
    more = len(found) > ENTRIES_A_PAGE
    filters = {"actor": actor, "subject": subject, "subject_id": subject_id}
    return page(
        request,
        "audit.html",
        "audit",
        entries=found[:ENTRIES_A_PAGE],
        filters=filters,
        is_filtered=any(filters.values()),
        next_cursor=to_cursor(found[ENTRIES_A_PAGE - 1].entry_id) if more else None,
    )


def _own_address(text: str) -> str:
    """An address of the console from its root; the overview's where it is none of ours."""
    parts = urlsplit(text.lstrip("/"))
    is_ours = not parts.scheme and not parts.netloc and "\\" not in text and text.isprintable()
    return text.lstrip("/") if is_ours else ""
