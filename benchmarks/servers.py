"""What is measured: databases of one PostgreSQL, and servers as processes of their own.

Invariant: whatever is started here is stopped when its context ends.
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
_KEPT_ALIVE_SECONDS = 3  # uvicorn closes a connection that rests for 5
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


_TOLD_SETTINGS = (
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "shared_buffers",
    "max_parallel_workers_per_gather",
)


def server_facts(available: Databases) -> dict[str, Any]:
    """The PostgreSQL's version and the settings that the findings depend on."""
    with product_engine(available.migrated("facts")).connect() as connection:
        return {
            "postgresql": connection.exec_driver_sql("show server_version").scalar_one(),
            "postgresql_settings": {
                name: connection.exec_driver_sql(f"show {name}").scalar_one()
                for name in (*_TOLD_SETTINGS, "work_mem", "jit")
            },
        }


@contextmanager
def databases() -> Iterator[Databases]:
    """An embedded PostgreSQL with the settings that `make run` gives it, over new data."""
    with tempfile.TemporaryDirectory() as data_dir, EmbeddedPostgres(Path(data_dir)) as url:
        yield Databases(url)


def product_engine(url: str) -> Engine:
    """An engine over that database with the product's own settings."""
    os.environ["DATABASE_URL"] = url
    settings.cache_clear()
    get_engine.cache_clear()
    return get_engine()


def driver_connection(engine: Engine) -> Any:
    """psycopg2's own connection, which the engine never sees again."""
    pooled = engine.raw_connection()
    connection = pooled.driver_connection
    pooled.detach()
    return connection


@contextmanager
def statements_sent(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    """Every statement that reaches the driver meanwhile, with its parameters."""
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
    """Leave nothing for autovacuum and the checkpointer to do while others are measured."""
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
        """The memory that its process holds now."""
        try:
            pages = Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1]
            return int(pages) * _BYTES_PER_PAGE
        except FileNotFoundError:
            listed = subprocess.run(
                ["ps", "-o", "rss=", "-p", str(self.pid)], check=True, capture_output=True
            )
            return int(listed.stdout) * 1024


@contextmanager
def product_server(url: str) -> Iterator[Server]:
    """The local server of `make run` over that database."""
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
    """Have the baseline create its tables there."""
    create = "from benchmarks.baseline import create_tables; create_tables()"
    with _process(["-c", create], url) as process:
        if process.wait() != 0:
            raise RuntimeError("the baseline could not create its tables")


@contextmanager
def baseline_server(url: str) -> Iterator[Server]:
    """The baseline behind uvicorn as its command line starts it, over that database."""
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
    """One kept-alive connection; little of its own to be measured.

    `headers` go with every request.
    """

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
        """How many bytes an answer holds, of which little is kept at a time."""
        response = self._send("GET", path)
        return sum(map(len, iter(lambda: response.read(65536), b"")))

    def _send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> http.client.HTTPResponse:
        if time.monotonic() - self._last_used > _KEPT_ALIVE_SECONDS:
            self._connection.close()
        self._connection.request(method, path, body, {**self.headers, **headers})
        response = self._connection.getresponse()
        self._last_used = time.monotonic()
        if not 200 <= response.status < 300:
            raise RuntimeError(f"a server answered {response.status}: {response.read()[:500]!r}")
        return response


class MemoryWatch:
    """The most memory that a server held while the context lasted."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._over = threading.Event()
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
        self._over.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._over.wait(0.01):
            self.peak = max(self.peak, self._server.resident_bytes())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
