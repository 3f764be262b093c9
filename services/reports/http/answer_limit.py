"""The limit of an answer.

Invariant: no answer is larger than `MAX_BYTES`, but for a stored file where a folder stands for the
bucket. Lists have pages that fit and files of reports are exports; this is for what has no such
way, as a lead with very many actions.
"""

from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.problems import AnswerTooLarge, Problem

MAX_BYTES = 6_000_000


class AnswerLimit:
    """ASGI middleware: a problem in place of an answer that says it is larger."""

    def __init__(self, app: ASGIApp, refuse: Callable[[Request, Problem], Response]) -> None:
        self._app = app
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_over = False

        async def send_what_fits(message: Message) -> None:
            nonlocal is_over
            if message["type"] == "http.response.start":
                is_over = int(Headers(raw=message["headers"]).get("content-length", 0)) > MAX_BYTES
                if is_over:
                    request = Request(scope, receive)
                    problem = AnswerTooLarge(_DETAILS.get(request.method, _CARRIED_OUT))
                    await self._refuse(request, problem)(scope, receive, send)
            if not is_over:
                await send(message)

        await self._app(scope, receive, send_what_fits)


_CARRIED_OUT = "it was carried out, but its answer has more than 6 MB; read what there is now"
_DETAILS = {"GET": "the answer has more than 6 MB; ask for less, by a filter, a page or a limit"}
