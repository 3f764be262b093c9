"""/console/sign-in and /console/sign-out."""

from urllib.parse import urlsplit

from fastapi import Request
from fastapi.responses import HTMLResponse, Response

from common.access.authentication import authenticator
from common.enums import Role
from common.problems import Problem, Unauthenticated
from common.settings import settings
from services.reports.console.forms import Form
from services.reports.console.pages import page, see_other
from services.reports.http.routes import Router
from services.reports.http.sessions import close_session, open_session

router = Router()


@router.get("/console/sign-in", response_class=HTMLResponse)
def show_sign_in(request: Request, next: str = "", ended: bool = False) -> HTMLResponse:
    """`ended`: whether an ended session led here."""
    return _sign_in_page(request, _own_address(next), ended=ended)


@router.post("/console/sign-in", response_class=HTMLResponse)
def sign_in(request: Request, form: Form) -> Response:
    """Opens a session for a valid key; the browser keeps only the id of the key."""
    address = _own_address(form.get("next", ""))
    try:
        # Without an address: signing in requires a key, even on an open server.
        principal = authenticator().authenticate(
            f"Bearer {form.get('key', '').strip()}", None, None
        )
        if principal.role is Role.INGEST:
            raise Unauthenticated("an ingest key sends leads and reads nothing: take another one")
    except Unauthenticated as problem:
        return _sign_in_page(request, address, problem)
    answer = see_other(request, address)
    open_session(request, answer, principal.key_id)
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
        problem,
        next=address,
        ended=ended,
        idle_minutes=settings().session_idle_minutes,
    )


def _own_address(text: str) -> str:
    """An address of this site from its root; the overview's address for any other."""
    parts = urlsplit(text.lstrip("/"))
    is_ours = not parts.scheme and not parts.netloc and "\\" not in text and text.isprintable()
    return text.lstrip("/") if is_ours else ""
