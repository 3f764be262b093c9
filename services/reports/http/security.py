"""Protection of every route: who may post a form, and what a page may load.

Invariant: a page of another site cannot change anything here through a signed-in browser.
"""

import re
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.problems import Forbidden
from common.this_machine import names_this_machine

# The page of the API description has an inline script.
DOCS = "/docs"
_DOCS_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; frame-ancestors 'none'"
)
_PLAIN_USER = re.compile(rb"((?:^|&)user=)([^&]*)")
# What belongs to no caller.
_SHARED = ("/static/", DOCS, "/openapi.json", "/health/")
_HTTPS_ONLY = "max-age=31536000"  # a year
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
# What a page can send to another site without asking that site first.
_FORM_TYPES = {"text/plain", "application/x-www-form-urlencoded", "multipart/form-data"}


def page_policy(sends_to: str | None = None) -> str:
    """Pages load from this site only, and run only the script files of this site.

    `sends_to` is one more site that their scripts may send to.
    """
    connected = " ".join(filter(None, ["'self'", sends_to]))
    return (
        "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; "
        f"connect-src {connected}; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )


class SafeHeaders:
    """ASGI middleware: browsers guess no content type, and a policy restricts pages.

    No cache keeps what belongs to a caller, and off this machine browsers come back by HTTPS only.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
                if not scope["path"].startswith(_SHARED):
                    headers["Cache-Control"] = "private, no-store"
                    headers["Vary"] = "Accept, Authorization, Cookie"
                if not names_this_machine(Headers(scope=scope).get("host", "localhost")):
                    headers["Strict-Transport-Security"] = _HTTPS_ONLY
                if headers.get("content-type", "").startswith("text/html"):
                    is_docs = scope["path"].startswith(DOCS)
                    policy = _DOCS_POLICY if is_docs else page_policy()
                    headers.setdefault("Content-Security-Policy", policy)
                    headers["Referrer-Policy"] = "same-origin"
            await send(message)

        await self._app(scope, receive, send_with_headers)


class Parameters:
    """ASGI middleware: in the console, an empty field of a filter is no filter.

    In the API, a plus in `user` is a plus, as in an email or a phone number, and no space. Where
    the value holds `%2B` too, its sender encodes pluses, and there it is a space.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/console/"):
            parameters = parse_qsl(scope["query_string"].decode("latin-1"))
            scope = dict(scope, query_string=urlencode(parameters).encode())
        elif scope["type"] == "http" and b"+" in scope["query_string"]:
            scope = dict(scope, query_string=_PLAIN_USER.sub(_keep_pluses, scope["query_string"]))
        await self._app(scope, receive, send)


def _keep_pluses(parameter: re.Match[bytes]) -> bytes:
    value = parameter[2]
    is_encoded = b"%2b" in value.lower()
    return parameter[1] + (value if is_encoded else value.replace(b"+", b"%2B"))


def require_own_site(request: Request) -> None:
    """Refuses a request that a page of another site sent. Raises Forbidden.

    Browsers send where a request comes from; other clients send nothing and pass.
    """
    if request.method in _SAFE_METHODS:
        return
    headers = request.headers
    site = headers.get("sec-fetch-site")
    if site is not None:
        is_ours = site in {"same-origin", "none"}
    else:
        origin = headers.get("origin")
        is_ours = origin is None or urlsplit(origin).netloc.lower() in _own_hosts(headers)
    if not is_ours:
        raise Forbidden("the request was sent by a page of another site; send it from the console")


def require_own_leads(request: Request) -> None:
    """Refuses leads that a page of another site can have sent. Raises Forbidden.

    Without a key, the type of the body counts too: forms of old browsers do not say who they are.
    """
    require_own_site(request)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type in _FORM_TYPES and "authorization" not in request.headers:
        raise Forbidden("without a key, send leads with Content-Type: application/json")


def _own_hosts(headers: Headers) -> set[str]:
    """The host names that the browser may have used, directly or through a gateway."""
    names = [*headers.getlist("host"), *headers.getlist("x-forwarded-host")]
    for forwarded in headers.getlist("forwarded"):
        for part in forwarded.replace(",", ";").split(";"):
            key, _, value = part.strip().partition("=")
            if key.lower() == "host":
                names.append(value.strip('"'))
    return {host.strip().lower() for name in names for host in name.split(",") if host.strip()}
