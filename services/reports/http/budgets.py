"""What a request costs its key, and the headers that say what is left.

Invariant: every answer to a key that has a budget says what is left of it.
"""

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.access.authentication import Principal, authenticator
from services.reports.http.admission import is_heavy

_DEAR_UNITS = 25  # about what they take of the processor and the database, in pages
# They leave work to a worker, or do what a file takes.
_DEAR = {
    ("POST", "/exports"),
    ("POST", "/console/exports"),
    ("POST", "/imports"),
    ("POST", "/console/imports"),
    ("POST", "/billing/periods/{period}/close"),
    ("POST", "/console/close"),
}
_BUDGET = "budget headers"


def spend(request: Request, principal: Principal) -> None:
    """Takes what the request costs from the budget of its key. Raises TooManyRequests."""
    is_dear = (request.method, request.scope["route"].path) in _DEAR or is_heavy(request)
    headers, refusal = authenticator().spend(principal, _DEAR_UNITS if is_dear else 1)
    request.scope["state"][_BUDGET] = headers
    if refusal is not None:
        raise refusal


class BudgetHeaders:
    """ASGI middleware: the headers of the key's budget."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = scope.setdefault("state", {})

        async def send_with_budget(message: Message) -> None:
            if message["type"] == "http.response.start" and _BUDGET in state:
                MutableHeaders(scope=message).update(state[_BUDGET])
            await send(message)

        await self._app(scope, receive, send_with_budget)
