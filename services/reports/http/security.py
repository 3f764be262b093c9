"""Protection of every route: who may post a form, and what a page may load.

Invariant: a page of another site cannot change anything here through a signed-in browser.
"""

from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.problems import Forbidden

# Pages load from this site only, and run only the script files of this site.
PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
# The page of the API description has an inline script.
DOCS = "/docs"
_DOCS_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; frame-ancestors 'none'"
)
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


class SafeHeaders:
    """ASGI middleware: browsers guess no content type, and a policy restricts pages."""

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
    """ASGI middleware: in the console, an empty field of a filter is no filter."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/console/"):
            given = parse_qsl(scope["query_string"].decode("latin-1"))
            scope = dict(scope, query_string=urlencode(given).encode())
        await self._app(scope, receive, send)


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


def _own_hosts(headers: Headers) -> set[str]:
    """The host names that the browser may have used, directly or through a gateway."""
    names = [*headers.getlist("host"), *headers.getlist("x-forwarded-host")]
    for forwarded in headers.getlist("forwarded"):
        for part in forwarded.replace(",", ";").split(";"):
            key, _, value = part.strip().partition("=")
            if key.lower() == "host":
                names.append(value.strip('"'))
    return {name.strip().lower() for each in names for name in each.split(",") if name.strip()}
