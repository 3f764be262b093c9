"""The databases and servers that the benchmarks measure; each server is its own process.

Invariant: this module stops everything that it starts when the context ends.
"""

import http.client
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import URL, Engine, NullPool, create_engine, event, make_url

from common.database.engine import get_engine
from common.settings import settings
from scripts.embedded_postgres import EmbeddedPostgres
from scripts.migrate import upgrade_schema

_TEMPLATE = "migrated"
_START_TIMEOUT_SECONDS = 60
_KEEP_ALIVE_SECONDS = 3  # uvicorn closes an idle connection after 5 seconds
_BYTES_PER_PAGE = os.sysconf("SC_PAGE_SIZE")


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
    """An embedded PostgreSQL with the settings of `make run` and an empty data directory."""
    with tempfile.TemporaryDirectory() as data_dir, EmbeddedPostgres(Path(data_dir)) as url:
        yield Databases(url)


def product_engine(url: str) -> Engine:
    """An engine on this database with the product's settings."""
    os.environ["DATABASE_URL"] = url
    settings.cache_clear()
    get_engine.cache_clear()
    return get_engine()


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
        """The memory of the process now."""
        try:
            pages = Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1]
            return int(pages) * _BYTES_PER_PAGE
        except FileNotFoundError:
            ps = subprocess.run(
                ["ps", "-o", "rss=", "-p", str(self.pid)], check=True, capture_output=True
            )
            return int(ps.stdout) * 1024


@contextmanager
def product_server(url: str) -> Iterator[Server]:
    """The local server of `make run` on this database."""
    with tempfile.TemporaryDirectory() as data_dir:
        command = ["-m", "scripts.local_server", "--port", "0", "--data-dir", data_dir]
        with _process(command, url) as process:
            assert process.stdout is not None  # noqa: S101 (for mypy)
            lines = iter(process.stdout.readline, "")
            ready = next((line for line in lines if line.startswith("ready ")), None)
            if ready is None:
                raise RuntimeError("the product's server did not start")
            address = urlsplit(ready.split()[1])
            yield Server(process.pid, str(address.hostname), int(address.port or 80))


def baseline_database(url: str) -> None:
    """Create the baseline's tables in this database."""
    create = "from benchmarks.baseline import create_tables; create_tables()"
    with _process(["-c", create], url) as process:
        if process.wait() != 0:
            raise RuntimeError("the baseline could not create its tables")


@contextmanager
def baseline_server(url: str) -> Iterator[Server]:
    """The baseline on this database, started by the command line of uvicorn."""
    port = _free_port()
    command = ["-m", "uvicorn", "benchmarks.baseline:app", "--port", str(port)]
    with _process([*command, "--log-level", "warning", "--no-access-log"], url) as process:
        deadline = time.monotonic() + _START_TIMEOUT_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("the baseline's server did not start") from None
                time.sleep(0.05)
        yield Server(process.pid, "127.0.0.1", port)


@contextmanager
def _process(arguments: list[str], url: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=Path(__file__).resolve().parent.parent,
        env=os.environ | {"DATABASE_URL": url},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


class Client:
    """An HTTP client with one connection and little overhead. Each request carries `headers`."""

    def __init__(self, server: Server) -> None:
        self.headers: Mapping[str, str] = {}
        self._connection = http.client.HTTPConnection(server.host, server.port, timeout=600)
        self._last_used = time.monotonic()

    def get(self, path: str) -> bytes:
        return self._send("GET", path).read()

    def post_leads(self, body: bytes) -> bytes:
        return self._send("POST", "/leads", body, {"Content-Type": "application/json"}).read()

    def post(self, path: str) -> bytes:
        return self._send("POST", path).read()

    def drain(self, path: str) -> int:
        """Read an answer in small pieces and return its length."""
        response = self._send("GET", path)
        return sum(map(len, iter(lambda: response.read(65536), b"")))

    def _send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> http.client.HTTPResponse:
        if time.monotonic() - self._last_used > _KEEP_ALIVE_SECONDS:
            self._connection.close()
        self._connection.request(method, path, body, {**self.headers, **headers})
        response = self._connection.getresponse()
        self._last_used = time.monotonic()
        if not 200 <= response.status < 300:
            raise RuntimeError(f"a server answered {response.status}: {response.read()[:500]!r}")
        return response


class MemoryWatch:
    """Records the peak of a server's memory within the context."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch)
        self.before = self.peak = server.resident_bytes()

    @property
    def growth(self) -> int:
        return self.peak - self.before

    def __enter__(self) -> "MemoryWatch":
        self._watcher.start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.01):
            self.peak = max(self.peak, self._server.resident_bytes())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
