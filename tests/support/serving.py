"""Serving an app from a thread of the tests' process, whose state a test can reach."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp

from services.reports.http.patience import PatientServer


@contextmanager
def serve_in_thread(app: ASGIApp, listener: socket.socket) -> Iterator[None]:
    """Serve `app` until the context ends; requests under way are answered first."""
    server = PatientServer(app, grace_seconds=30)
    thread = threading.Thread(target=server.run, args=([listener],), name="server")
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start; the log above says why"
            time.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        thread.join()
