"""The product as processes that can be killed: PostgreSQL, the server, the function.

Invariant: whatever is started here is stopped when its context ends. The database has one address
for all its life, whichever server is behind it.
"""

import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from queue import Queue
from signal import SIGCONT, SIGKILL, SIGSTOP
from typing import Any

import httpx
from sqlalchemy import NullPool, create_engine, make_url, text

from scripts.embedded_postgres import EmbeddedPostgres
from scripts.local_server import listen_on
from scripts.migrate import upgrade_schema
from tests.support.api import PROJECT
from tests.support.processes import children_of, is_running
from tests.support.relay import Relay

HASH_KEY = "faults-only-key-of-at-least-32-characters"


class Postgres:
    """A durable PostgreSQL over `data_dir` that can be killed, behind an address that stays."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._server = EmbeddedPostgres(data_dir)
        self._url = make_url(self._server.start())
        self.relay = Relay(("127.0.0.1", int(self._url.port or 0)))

    def kill(self) -> None:
        """kill -9 of the server, until its children have noticed and are gone.

        One that is in the middle of a statement answers it, and may take up another.
        """
        pid = (
            (self._data_dir / "postgres" / "postmaster.pid").read_text(encoding="utf-8").split()[0]
        )
        children = children_of(int(pid))
        os.kill(int(pid), SIGKILL)
        while any(map(is_running, children)):
            time.sleep(0.01)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Every process of the server is stopped meanwhile: sockets stay, and nobody answers."""
        file = self._data_dir / "postgres" / "postmaster.pid"
        pid = int(file.read_text(encoding="utf-8").split()[0])
        os.kill(pid, SIGSTOP)  # first: it starts no more processes
        children = children_of(pid)
        for child in children:
            os.kill(child, SIGSTOP)
        try:
            yield
        finally:
            for process in (*children, pid):
                os.kill(process, SIGCONT)

    def start_again(self) -> None:
        """After a kill, or while it runs: then it is stopped in order first."""
        self._server.stop()
        self._url = make_url(self._server.start())
        self.relay.target = ("127.0.0.1", int(self._url.port or 0))

    def database(self) -> str:
        """A new database with the product's schema: its name."""
        name = f"fault_{uuid.uuid4().hex}"
        with create_engine(
            self._url, isolation_level="AUTOCOMMIT", poolclass=NullPool
        ).connect() as connection:
            connection.exec_driver_sql(f"create database {name}")
        with create_engine(self.direct(name), poolclass=NullPool).connect() as connection:
            upgrade_schema(connection)
        return name

    def direct(self, name: str) -> str:
        """The database's URL, past the relay: not to be cut."""
        return self._url.set(database=name).render_as_string(hide_password=False)

    def address(self, name: str) -> str:
        """The database's URL as the product has it."""
        url = self._url.set(database=name, host="127.0.0.1", port=self.relay.port)
        return url.render_as_string(hide_password=False)

    def ask(self, name: str, query: str) -> list[Any]:
        """The rows of a query on a connection of its own; it is committed."""
        engine = create_engine(self.direct(name), poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            result = connection.execute(text(query))
            return list(result) if result.returns_rows else []

    def stop(self) -> None:
        self.relay.close()
        self._server.stop()


def environment(database_url: str) -> dict[str, str]:
    return os.environ | {"DATABASE_URL": database_url, "USER_HASH_KEY": HASH_KEY}


# The system's clock is everybody's: what is shifted is what our code, and only that, reads of it.
_RUN_BY_ANOTHER_CLOCK = """
import contextlib, datetime, os, runpy, sys
shift = datetime.timedelta(hours=float(sys.argv.pop(1)))
class Shifted(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.datetime.now(tz) + shift
os.environ.setdefault("POWERTOOLS_LOG_LEVEL", "WARNING")
with contextlib.redirect_stdout(sys.stderr):
    import functions.ingest.handler, services.reports.app
for name, module in list(sys.modules.items()):
    ours = name.split(".")[0] in ("common", "functions", "services")
    if ours and vars(module).get("datetime") is datetime.datetime:
        module.datetime = Shifted
runpy.run_module("scripts.local_server", run_name="__main__", alter_sys=True)
"""


class Server:
    """The local server of `make run` on a port that stays."""

    def __init__(self, database_url: str, data_dir: Path, hours_ahead: int = 0) -> None:
        with listen_on("127.0.0.1", 0) as free:
            self._port: int = free.getsockname()[1]
        self._command = [
            sys.executable,
            *(
                ("-c", _RUN_BY_ANOTHER_CLOCK, str(hours_ahead))
                if hours_ahead
                else ("-m", "scripts.local_server")
            ),
            *("--port", str(self._port), "--data-dir", str(data_dir)),
        ]
        self._environment = environment(database_url)
        self._log = data_dir / "server.log"
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = process = subprocess.Popen(
                self._command,
                cwd=PROJECT,
                env=self._environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert process.stdout is not None
        assert any(line.startswith("ready ") for line in process.stdout), self._log.read_text()

    def kill(self) -> None:
        """kill -9, until its workers have noticed and are gone."""
        assert self._process is not None
        workers = children_of(self._process.pid)
        self._process.kill()
        self._process.communicate()
        while any(map(is_running, workers)):
            time.sleep(0.01)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.communicate()

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=60, trust_env=False)


@contextmanager
def running(server: Server) -> Iterator[Server]:
    server.start()
    try:
        yield server
    finally:
        server.stop()


_FUNCTION = """
import json, sys
answers = sys.stdout
sys.stdout = sys.stderr
from functions.ingest.handler import handler
from scripts.gateway import LambdaContext

for number, line in enumerate(sys.stdin):
    event = {
        "version": "2.0", "routeKey": "POST /leads", "rawPath": "/leads", "rawQueryString": "",
        "headers": {"content-type": "application/json"},
        "requestContext": {
            "http": {"method": "POST", "path": "/leads", "sourceIp": "127.0.0.1"},
            "requestId": "r", "stage": "$default"
        },
        "body": line, "isBase64Encoded": False,
    }
    answer = handler(event, LambdaContext(aws_request_id=str(number)))
    print(json.dumps([answer["statusCode"], answer["body"]]), file=answers, flush=True)
"""


class FunctionProcess:
    """An instance of the function as a process of its own, which a kill ends for good."""

    def __init__(self, database_url: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _FUNCTION],
            cwd=PROJECT,
            env=environment(database_url) | {"POWERTOOLS_LOG_LEVEL": "CRITICAL"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def post(self, body: str) -> tuple[int, Any]:
        """Status and document; ConnectionError when it was killed before it answered."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(body + "\n")
            self._process.stdin.flush()
        except OSError:
            raise ConnectionError("the function was killed") from None
        line = self._process.stdout.readline()
        if not line.endswith("\n"):
            raise ConnectionError("the function was killed")
        status, document = json.loads(line)
        return status, json.loads(document)

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        self.kill()
        for stream in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                assert stream is not None
                stream.close()


class FunctionPool:
    """Some instances of the function, for several clients; a killed one is replaced."""

    def __init__(self, database_url: str, instances: int) -> None:
        self._database_url = database_url
        self._resources = ExitStack()
        self._idle: Queue[FunctionProcess] = Queue()
        self._lock = threading.Lock()
        self._all = [FunctionProcess(database_url) for _ in range(instances)]
        for one in self._all:
            one.post("[]")  # answered when it has started
            self._idle.put(one)

    def post(self, body: str) -> tuple[int, Any]:
        one = self._idle.get()
        try:
            answer = one.post(body)
        except ConnectionError:
            one.close()
            fresh = FunctionProcess(self._database_url)
            with self._lock:
                self._all[self._all.index(one)] = fresh
            self._idle.put(fresh)
            raise
        self._idle.put(one)
        return answer

    def kill_one(self, number: int) -> None:
        with self._lock:
            self._all[number % len(self._all)].kill()

    def close(self) -> None:
        for one in self._all:
            one.close()
