"""What stands before every route: who may post a form, and what a page may do.

Invariant: no other site's page can have a browser change anything here, whoever is signed in.
"""

from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.problems import Forbidden

# Pages take everything from here, and run no script but our own file.
PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
# The description's page starts its own script from the page itself.
DOCS = "/docs"
_DOCS_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; frame-ancestors 'none'"
)
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


class SafeHeaders:
    """ASGI middleware: no answer's type is guessed at, and no page does more than show itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
                if headers.get("content-type", "").startswith("text/html"):
                    is_docs = scope["path"].startswith(DOCS)
                    headers["Content-Security-Policy"] = _DOCS_POLICY if is_docs else PAGE_POLICY
                    headers["Referrer-Policy"] = "same-origin"
            await send(message)

        await self._app(scope, receive, send_with_headers)


class BlankParameters:
    """ASGI middleware: a field of a form that was left empty narrows nothing in the console."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/console/"):
            given = parse_qsl(scope["query_string"].decode("latin-1"))
            scope = dict(scope, query_string=urlencode(given).encode())
        await self._app(scope, receive, send)


def require_own_site(request: Request) -> None:
    """Refuses what another site's page has a browser send. Raises Forbidden.

    Browsers say where a request comes from; clients that are none, and say nothing, pass.
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


def _own_hosts(headers: Headers) -> set[str]:
    """By which names the browser may have asked for us, a gateway in between included."""
    names = [*headers.getlist("host"), *headers.getlist("x-forwarded-host")]
    for forwarded in headers.getlist("forwarded"):
        for part in forwarded.replace(",", ";").split(";"):
            key, _, value = part.strip().partition("=")
            if key.lower() == "host":
                names.append(value.strip('"'))
    return {name.strip().lower() for each in names for name in each.split(",") if name.strip()}
