"""The processes that serve the local API: copies of one process that has imported everything.

Invariant: no worker outlives the process that started it, even if SIGKILL ends that one.
"""

import argparse
import gc
import logging
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import NoReturn

from starlette.types import ASGIApp

from scripts.cli import CommandError
from services.reports.http.patience import DRAIN_SECONDS, PatientServer

# As in a deployment: a close in flight has time to end.
_GRACE_SECONDS = 20
_PATIENCE_SECONDS = DRAIN_SECONDS + _GRACE_SECONDS + 8
# How long a batch that is parsed keeps the interpreter from a request that reads. Python's own five
# milliseconds add up, as such a request needs it several times.
_SWITCH_SECONDS = 0.0005
_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}

logger = logging.getLogger("lead_billing.workers")


def add_workers_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--workers", type=_count, help="processes that serve (one per core, if not set)"
    )


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise ValueError(text)
    return count


def cores() -> int:
    """The cores that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class _Worker:
    pid: int
    pipe: int  # gives one byte when the worker serves, and the end of file when it has ended


class Workers:
    """Serves an app with some processes that share one listening socket.

    Call its methods in the main thread of a process without other threads: a copy of a process
    has only one of its threads, and the locks of all.
    """

    def __init__(self, app: ASGIApp, listener: socket.socket, count: int) -> None:
        self._app = app
        self._listener = listener
        self._count = count
        self._workers: list[_Worker] = []
        # Only this process has the end to write to, so its end is the end of the file.
        self._life, self._own_life = os.pipe()

    def start(self) -> None:
        """Returns when all workers serve. Raises CommandError if one does not start."""
        self._listener.listen()
        gc.freeze()  # a collection would write to every object, and the memory is shared until then
        while len(self._workers) < self._count:
            self._workers.append(self._fork())
        for worker in self._workers:
            _require_start(worker)

    def watch(self) -> NoReturn:
        """Start a worker again whenever one ends, until a signal raises an exception.

        Raises CommandError if a new worker does not start.
        """
        while True:
            pipes = [worker.pipe for worker in self._workers]
            ended, _, _ = select.select(pipes, [], [])
            for worker in [worker for worker in self._workers if worker.pipe in ended]:
                self._workers.remove(worker)
                extra = {"worker": worker.pid, "status": _reap(worker)}
                logger.error("a worker ended: another one starts", extra=extra)
                self._workers.append(self._fork())
                _require_start(self._workers[-1])

    def stop(self) -> None:
        """Refuse new connections, let requests under way finish, and wait for every worker."""
        self._listener.close()
        for worker in self._workers:
            os.kill(worker.pid, signal.SIGTERM)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while self._workers:
            worker = self._workers[-1]
            if not _has_ended(worker, deadline - time.monotonic()):
                os.kill(worker.pid, signal.SIGKILL)
            _reap(worker)
            self._workers.pop()
        os.close(self._life)
        os.close(self._own_life)

    def _fork(self) -> _Worker:
        pipe, own_pipe = os.pipe()
        # A signal must not reach a worker that still has the handlers of this process.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        pid = os.fork()
        if pid == 0:
            os.close(pipe)
            os.close(self._own_life)
            _be_worker(self._life, lambda: self._serve(own_pipe))
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(own_pipe)
        return _Worker(pid, pipe)

    def _serve(self, own_pipe: int) -> None:
        sys.setswitchinterval(_SWITCH_SECONDS)
        server = _AnnouncedServer(self._app, lambda: os.write(own_pipe, b"."))
        # The function prints its metrics, and nothing collects them here.
        with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
            server.run([self._listener])


@contextmanager
def serving(app: ASGIApp, listener: socket.socket, count: int) -> Iterator[Workers]:
    """Workers that serve until the context ends."""
    workers = Workers(app, listener, count)
    try:
        workers.start()
        yield workers
    finally:
        workers.stop()


class _AnnouncedServer(PatientServer):
    """A server that says when it serves."""

    def __init__(self, app: ASGIApp, announce: Callable[[], object]) -> None:
        super().__init__(app, _GRACE_SECONDS)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._announce()


def _be_worker(life: int, serve: Callable[[], None]) -> NoReturn:
    """Run `serve` in a process that was just forked, and end the process."""
    status = 1
    try:
        # uvicorn replaces both handlers while it serves, and raises the signals again afterwards.
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        for ignored in (signal.SIGINT, signal.SIGHUP):
            signal.signal(ignored, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        threading.Thread(target=_end_with_parent, args=(life,), daemon=True).start()
        serve()
        status = 0
    except BaseException:
        logger.exception("a worker failed")
    finally:
        # Without the contexts of the parent: they are the parent's to close.
        os._exit(status)


def _end_with_parent(life: int) -> None:
    os.read(life, 1)
    os._exit(1)


def _require_start(worker: _Worker) -> None:
    if not os.read(worker.pipe, 1):
        raise CommandError("the server did not start; the log above says why.")


def _has_ended(worker: _Worker, seconds: float) -> bool:
    ended, _, _ = select.select([worker.pipe], [], [], max(0.0, seconds))
    return bool(ended)


def _reap(worker: _Worker) -> int:
    """The exit status of an ended worker; the negative number of the signal that killed it."""
    os.close(worker.pipe)
    return os.waitstatus_to_exitcode(os.waitpid(worker.pid, 0)[1])
