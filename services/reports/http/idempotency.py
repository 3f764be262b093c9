"""Idempotency-Key: the same POST again gets the answer that it got first.

Invariant: an answer is kept before it is sent, and none that holds a secret is.
"""

import logging
from typing import Any

from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.database.transactions import BEGUN, acting_as
from common.idempotency.claims import Caller, Claim, KeptAnswer, claim_key
from common.problems import Problem
from services.reports.http.authorization import principal_of

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
# Their answers hold a secret.
NOT_KEPT = {
    "/keys",
    "/keys/{key_id}/rotate",
    "/webhooks",
    "/webhooks/{webhook_id}/rotate",
}
_CLAIM = "idempotency_claim"
_FIRST_ERROR_OF_OURS = 500

logger = logging.getLogger("lead_billing.idempotency")


class AnsweredBefore(Exception):
    """The request has an answer already."""

    def __init__(self, kept: KeptAnswer) -> None:
        super().__init__()
        self.kept = kept


async def claimed(request: Request) -> None:
    """A dependency of every route: takes the key that a POST came with.

    Raises AnsweredBefore, and as claim_key.
    """
    key = request.headers.get(HEADER)
    if request.method != "POST" or key is None or request.url.path.startswith("/console/"):
        return
    body = await request.body()
    target = f"POST {request.url.path}?{request.url.query}\n".encode()
    claim = await run_in_threadpool(_claim, request, key, target + body)
    if isinstance(claim, KeptAnswer):
        raise AnsweredBefore(claim)
    request.scope["state"][_CLAIM] = claim
    BEGUN.set(claim.mark)


def answer_again(_request: Request, error: AnsweredBefore) -> Response:
    kept = error.kept
    return Response(kept.body, kept.status, {**kept.headers, REPLAYED: "true"})


def release_claim(request: Request) -> None:
    """For a request that is refused before its route begins: its key stays unused."""
    claim = request.scope["state"].pop(_CLAIM, None)
    if claim is not None:
        _as_operator(claim.release)


class KeptAnswers:
    """ASGI middleware: keeps the answer to a request that came with a key, and then sends it.

    What failed on our side is not kept.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state: dict[str, Any] = scope.setdefault("state", {})
        held: list[Message] = []

        async def send_kept(message: Message) -> None:
            claim = state.get(_CLAIM)
            if claim is None:
                await send(message)
                return
            held.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                await run_in_threadpool(_keep, scope, claim, held)
                for part in held:
                    await send(part)

        try:
            await self._app(scope, receive, send_kept)
        except Exception:
            if _CLAIM in state:
                await run_in_threadpool(_as_operator, state[_CLAIM].release)
            raise


def _claim(request: Request, key: str, content: bytes) -> Claim | KeptAnswer:
    principal = principal_of(request)
    with acting_as(principal.actor):  # the database lets a customer's key write nothing
        return claim_key(Caller(principal.customer_id, principal.key_id), key, content)


def _keep(scope: Scope, claim: Claim, answer: list[Message]) -> None:
    status = answer[0]["status"]
    headers = dict(Headers(raw=answer[0]["headers"]))
    headers.pop("content-length", None)
    body = b"".join(part.get("body", b"") for part in answer[1:])
    holds_secret = scope["route"].path in NOT_KEPT or scope["state"].get("holds_secret", False)
    is_kept = not holds_secret or status >= 400
    if status >= _FIRST_ERROR_OF_OURS:
        _as_operator(claim.release)
    elif is_kept:
        _as_operator(claim.keep, status, headers, body)
    else:
        _as_operator(claim.keep, status, {}, None)


def _as_operator(work: Any, *arguments: Any) -> None:
    """Does what the database lets no customer do. A failure must not hide the answer."""
    try:
        with acting_as(""):
            work(*arguments)
    except Problem as problem:
        logger.warning("an idempotency key stays in use", exc_info=problem)
