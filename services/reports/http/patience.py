"""The server's patience with connections, and its end: slow ones are closed, and SIGTERM drains.

Invariant: a connection that sends nothing, sends slowly or does not read is closed in time; and a
request that has begun is answered, also after SIGTERM.
"""

import asyncio
import socket
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config, Server
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from common.problems import PROBLEM_JSON, Busy
from services.reports.http.body_limit import is_upload

# A whole request has so long to arrive: 6 MB at 1 Mbit/s take 50 seconds.
REQUEST_SECONDS = 60.0
# So has each piece of an upload: 1 MB a minute is slow enough.
_PIECE_BYTES = 1024 * 1024
# A client that reads none of what was sent has gone, or holds us up.
READ_SECONDS = 30.0
# Load balancers keep idle connections for 60 seconds, and must be the first to close them.
IDLE_SECONDS = 75
# After SIGTERM, who still connects hears 503 for so long, while a load balancer looks elsewhere.
DRAIN_SECONDS = 2.0


class ImpatientProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which by itself waits without end for all but the next request."""

    _arriving: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _received = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._has_arrived()
        super().connection_lost(exc)
        self._is_read()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._arriving is None:
            self._expect_request()

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        if is_upload(self.scope) and not self.cycle.response_complete:
            self._received += len(body)
            if self._received >= _PIECE_BYTES:
                self._received = 0
                self._has_arrived()
                self._expect_request()

    def on_message_complete(self) -> None:
        self._has_arrived()
        super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(READ_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        self._is_read()
        super().resume_writing()

    def _expect_request(self) -> None:
        self._arriving = self.loop.call_later(REQUEST_SECONDS, self.transport.abort)

    def _has_arrived(self) -> None:
        if self._arriving is not None:
            self._arriving.cancel()
            self._arriving = None

    def _is_read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None


class Draining:
    """ASGI application in front of another one: once it drains, new requests get 503."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.is_draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.is_draining and scope["type"] == "http":
            problem = Busy("this server is stopping; try again")
            answer = JSONResponse(
                problem.document(scope["path"]),
                int(problem.status),
                {**problem.headers, "Connection": "close"},
                media_type=PROBLEM_JSON,
            )
            await answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)


class PatientServer(Server):
    """uvicorn with the limits above, which stops in two steps: it drains, then it ends."""

    def __init__(self, app: ASGIApp, grace_seconds: int, **options: Any) -> None:
        self._front = Draining(app)
        config = Config(
            self._front,
            log_config=None,  # log_as_json configures logging
            access_log=False,  # it would log queries, which contain personal data
            http=ImpatientProtocol,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=grace_seconds,
            **options,
        )
        super().__init__(config)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._front.is_draining = True
        await asyncio.sleep(DRAIN_SECONDS)
        await super().shutdown(sockets)
