"""The databases and servers that the benchmarks measure; each server is its own process.

Invariant: this module stops everything that it starts when the context ends.
"""

import http.client
import os
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import URL, Engine, NullPool, create_engine, event, make_url

from common.database.engine import current_engine, forget_engines, own_pool
from common.settings import settings
from scripts.embedded_postgres import EmbeddedPostgres
from scripts.migrate import upgrade_schema

_TEMPLATE = "migrated"
_CONNECTIONS = 10  # of this process to a database
_KEEP_ALIVE_SECONDS = 3  # uvicorn closes an idle connection after 5 seconds


class Databases:
    """Fresh databases on one durable PostgreSQL, migrated or empty."""

    def __init__(self, url: str) -> None:
        self._server: URL = make_url(url)
        os.environ.setdefault("USER_HASH_KEY", secrets.token_hex(32))
        self._create(_TEMPLATE, "template1")
        migrating = create_engine(self._url(_TEMPLATE), poolclass=NullPool)
        with migrating.connect() as connection:
            upgrade_schema(connection)

    def migrated(self, name: str) -> str:
        """The URL of a new database with the product's schema."""
        return self._create(name, _TEMPLATE)

    def empty(self, name: str) -> str:
        """The URL of a new database without a table."""
        return self._create(name, "template1")

    def _create(self, name: str, template: str) -> str:
        engine = create_engine(self._server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with engine.connect() as connection:
            connection.exec_driver_sql(f"create database {name} template {template}")
        return self._url(name)

    def _url(self, name: str) -> str:
        return self._server.set(database=name).render_as_string(hide_password=False)


_SHOWN_SETTINGS = (
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "shared_buffers",
    "max_parallel_workers_per_gather",
    "work_mem",
    "jit",
)


def server_facts(available: Databases) -> dict[str, Any]:
    """The version and the settings of PostgreSQL on which the findings depend."""
    with product_engine(available.migrated("facts")).connect() as connection:
        return {
            "postgresql": connection.exec_driver_sql("show server_version").scalar_one(),
            "postgresql_settings": {
                name: connection.exec_driver_sql(f"show {name}").scalar_one()
                for name in _SHOWN_SETTINGS
            },
        }


@contextmanager
def databases() -> Iterator[Databases]:
    """An embedded PostgreSQL with the settings of `make run` and an empty data directory.

    Statements of this process may take long, as storing and rating ten million actions does.
    """
    with (
        tempfile.TemporaryDirectory() as data_dir,
        EmbeddedPostgres(Path(data_dir)) as url,
        own_pool(_CONNECTIONS),
    ):
        yield Databases(url)


def product_engine(url: str) -> Engine:
    """An engine on this database with the product's settings."""
    os.environ["DATABASE_URL"] = url
    settings.cache_clear()
    forget_engines()
    return current_engine()


def driver_connection(engine: Engine) -> Any:
    """A connection of psycopg2 that no longer belongs to the engine."""
    pooled = engine.raw_connection()
    connection = pooled.driver_connection
    pooled.detach()
    return connection


@contextmanager
def statements_sent(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    """Every statement that the engine sends within the context, with its parameters."""
    sent: list[tuple[str, Any]] = []

    def note(
        _connection: Any, _cursor: Any, statement: str, parameters: Any, *_others: Any
    ) -> None:
        sent.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", note)


def tidy(url: str) -> None:
    """Vacuum and checkpoint now, so that PostgreSQL does neither during a measurement."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("vacuum analyze")
        connection.exec_driver_sql("checkpoint")


@dataclass(frozen=True)
class Server:
    """A running server."""

    pid: int
    host: str
    port: int

    def resident_bytes(self) -> int:
        """The memory of the process and its workers now, with what they share counted once."""
        try:
            children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text("ascii").split()
            rollups = [
                Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")
                for pid in [self.pid, *children]
            ]
            return 1024 * sum(int(rollup.partition("\nPss:")[2].split()[0]) for rollup in rollups)
        except FileNotFoundError:
            listed = subprocess.run(
                ["ps", "-eo", "pid=,ppid=,rss="], check=True, capture_output=True, text=True
            ).stdout
            rows = [tuple(map(int, row.split())) for row in listed.splitlines()]
            return 1024 * sum(rss for pid, parent, rss in rows if self.pid in {pid, parent})

    def processor_seconds(self) -> float:
        """The processor time that the process and its workers have used, in clock ticks."""
        return processor_seconds(self.pid)


def processor_seconds(pid: int) -> float:
    """The processor time of a process, its children, and its children that have ended."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    ticks = sum(map(int, _stat(pid)[11:15]))
    for child in children:
        try:
            ticks += sum(map(int, _stat(int(child))[11:13]))
        except (FileNotFoundError, ProcessLookupError):
            return processor_seconds(pid)  # it has just ended, and its time is now the parent's
    return ticks / os.sysconf("SC_CLK_TCK")


def postmaster_of(engine: Engine) -> int:
    """The process that is the parent of every process of this PostgreSQL."""
    with engine.connect() as connection:
        backend: int = connection.exec_driver_sql("select pg_backend_pid()").scalar_one()
        return int(_stat(backend)[1])


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on; a name before them may hold anything."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()


@contextmanager
def product_server(
    url: str,
    workers: int | None = None,
    catches_up: bool = True,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """The local server of `make run` on this database, with a worker per core by default."""
    given = () if workers is None else ("--workers", str(workers))
    with (
        tempfile.TemporaryDirectory() as data_dir,
        _server(
            *(url, "scripts.local_server", "--port", "0", "--data-dir", data_dir, *given),
            environment=({} if catches_up else {"CATCH_UP_SECONDS": "0"}) | dict(environment or {}),
        ) as server,
    ):
        yield server


def baseline_server(url: str) -> AbstractContextManager[Server]:
    """The baseline on this database."""
    return _server(url, "benchmarks.baseline")


def empty_server() -> AbstractContextManager[Server]:
    """A FastAPI with an empty route."""
    return _server("", "benchmarks.empty")


@contextmanager
def _server(
    url: str, module: str, *arguments: str, environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Run a module that prints `ready URL` when it serves."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=Path(__file__).resolve().parent.parent,
        env=os.environ | {"DATABASE_URL": url, "OPEN_ACCESS": "true"} | dict(environment or {}),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None  # noqa: S101 (for mypy)
        lines = iter(process.stdout.readline, "")
        ready = next((line for line in lines if line.startswith("ready ")), None)
        if ready is None:
            raise RuntimeError(f"{module} did not start")
        address = urlsplit(ready.split()[1])
        yield Server(process.pid, str(address.hostname), int(address.port or 80))
    finally:
        process.terminate()
        process.communicate()


class Client:
    """An HTTP client with one connection and little overhead. Each request carries `headers`."""

    def __init__(self, server: Server) -> None:
        self.headers: dict[str, str] = {}
        self._connection = http.client.HTTPConnection(server.host, server.port, timeout=600)
        self._last_used = time.monotonic()

    def get(self, path: str) -> bytes:
        return self._send("GET", path).read()

    def post_leads(self, body: bytes) -> bytes:
        return self._send("POST", "/leads", body).read()

    def post(self, path: str, body: bytes = b"") -> bytes:
        return self._send("POST", path, body).read()

    def whole(self, path: str) -> bytes:
        """An answer that leads nowhere else."""
        response = self._send("GET", path)
        if response.status == HTTPStatus.SEE_OTHER:
            raise RuntimeError(f"{path} is too large to be answered")
        return response.read()

    def drain(self, path: str) -> int:
        """Read an answer in small pieces and return its length."""
        response = self._send("GET", path)
        return sum(map(len, iter(lambda: response.read(65536), b"")))

    def _send(self, method: str, path: str, body: bytes = b"") -> http.client.HTTPResponse:
        if time.monotonic() - self._last_used > _KEEP_ALIVE_SECONDS:
            self._connection.close()
        headers = {"Content-Type": "application/json"} if body else {}
        self._connection.request(method, path, body, headers | self.headers)
        response = self._connection.getresponse()
        self._last_used = time.monotonic()
        if not 200 <= response.status < 400:  # 303: a file is ready elsewhere
            raise RuntimeError(f"a server answered {response.status}: {response.read()[:500]!r}")
        return response


@dataclass
class Memory:
    """Bytes that a server uses: at first, and at most."""

    before: int
    peak: int


@contextmanager
def watched_memory(server: Server) -> Iterator[Memory]:
    """Records the peak of a server's memory within the context."""
    before = server.resident_bytes()
    memory = Memory(before, before)
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.01):
            memory.peak = max(memory.peak, server.resident_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield memory
    finally:
        ended.set()
        watcher.join()
