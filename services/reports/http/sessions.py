"""The console's sessions: a signed cookie that names the key somebody signed in with.

Invariant: a session never allows more than its key, and ends with it. Nothing is stored, so every
task of the service can read every session.
"""

import hmac
import re
import time
from dataclasses import dataclass
from typing import Literal

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.settings import settings
from common.this_machine import names_this_machine

COOKIE = "lead_billing_session"
MAX_SECONDS = 12 * 3600
_RENEWED_AFTER_SECONDS = 60
_FORM = re.compile(r"([0-9a-f]{12})\.([0-9]{1,12})\.([0-9]{1,12})\.([0-9a-f]{64})")
_SAME_SITE: Literal["strict"] = "strict"


@dataclass(frozen=True, slots=True)
class Session:
    """The key that signed in, when, and when it was last used; in seconds since 1970."""

    key_id: str
    started: int
    seen: int

    def text(self) -> str:
        content = f"{self.key_id}.{self.started}.{self.seen}"
        return f"{content}.{_signature(content)}"

    @staticmethod
    def read(text: str, now: int) -> "Session | None":
        """The session of a cookie; None for a foreign cookie or an ended session."""
        match = _FORM.fullmatch(text)
        if match is None:
            return None
        content = text.rpartition(".")[0]
        if not hmac.compare_digest(_signature(content), match[4]):
            return None
        session = Session(match[1], int(match[2]), int(match[3]))
        idle_seconds = settings().session_idle_minutes * 60
        if now - session.seen > idle_seconds or now - session.started > MAX_SECONDS:
            return None
        return session


def key_of(request: Request) -> str | None:
    """The key of the request's session, which is renewed."""
    now = int(time.time())
    session = Session.read(request.cookies.get(COOKIE, ""), now)
    if session is None:
        return None
    if now - session.seen > _RENEWED_AFTER_SECONDS:
        request.state.renewed_session = Session(session.key_id, session.started, now)
    return session.key_id


def had_session(request: Request) -> bool:
    """Whether the browser has a session cookie; the cookie outlives an idle session."""
    return bool(request.cookies.get(COOKIE))


def open_session(request: Request, response: Response, key_id: str) -> None:
    now = int(time.time())
    _put(request, response, Session(key_id, now, now).text(), MAX_SECONDS)


def close_session(request: Request, response: Response) -> None:
    _put(request, response, "", 0)


class RenewedSessions:
    """ASGI middleware: sends the cookie of a renewed session."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_cookie(message: Message) -> None:
            renewed = scope.get("state", {}).get("renewed_session")
            if message["type"] == "http.response.start" and renewed is not None:
                headers = MutableHeaders(scope=message)
                if "set-cookie" not in headers:
                    carrier = Response()
                    _put(Request(scope), carrier, renewed.text(), MAX_SECONDS)
                    headers.append("set-cookie", carrier.headers["set-cookie"])
            await send(message)

        await self._app(scope, receive, send_with_cookie)


def _put(request: Request, response: Response, value: str, seconds: int) -> None:
    response.set_cookie(
        COOKIE,
        value,
        max_age=seconds,
        path="/",
        httponly=True,
        samesite=_SAME_SITE,
        secure=not names_this_machine(request.headers.get("host", "")),
    )


def _signature(content: str) -> str:
    key = hmac.digest(settings().user_secret, b"lead-billing console sessions", "sha256")
    return hmac.digest(key, content.encode(), "sha256").hex()
