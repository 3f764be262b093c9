"""Processes in tests: whether one runs, the commands of the product, and who owns a PostgreSQL."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import NullPool, create_engine


def is_running(pid: int) -> bool:
    """Whether it is there and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def children_of(pid: int) -> list[int]:
    """The processes that it started, in the order of their start."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [int(child) for child in children if is_running(int(child))]


PROJECT = Path(__file__).resolve().parents[2]
# A shell's background job ignores SIGINT, and what it starts inherits that.
OWNER = """
import signal, sys, time
from pathlib import Path
from scripts.embedded_postgres import EmbeddedPostgres
signal.signal(signal.SIGINT, signal.default_int_handler)
with EmbeddedPostgres(Path(sys.argv[1])) as url:
    print(url, flush=True)
    time.sleep(600)
"""


def run_sql(url: str, statement: str) -> list[Any]:
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        result = connection.exec_driver_sql(statement)
        return list(result.scalars()) if result.returns_rows else []


def server_pid(data_dir: Path) -> int:
    return int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])


@contextmanager
def owner_process(
    data_dir: Path, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process that owns a server, and that server's URL."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, data_dir],
        cwd=PROJECT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert owner.stdout is not None
    with owner:
        try:
            yield owner, owner.stdout.readline().strip()
        finally:
            owner.send_signal(signal.SIGINT)


def command(module: str, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in {"DATABASE_URL", "USER_HASH_KEY", "OPEN_ACCESS"}
    }
    return subprocess.Popen(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=PROJECT,
        env=inherited | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def running(
    data_dir: Path, module: str = "scripts.local_server", port: int = 0, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """A server that has said it is ready, and a client of it; with open access unless told."""
    environment = {"OPEN_ACCESS": "true"} | environment
    workers = ("--workers", environment.pop("WORKERS", 1))
    process = command(module, "--port", port, "--data-dir", data_dir, *workers, **environment)
    assert process.stdout is not None
    try:
        lines = iter(process.stdout.readline, "")
        ready = next((line for line in lines if line.startswith("ready ")), None)
        assert ready is not None, (process.communicate()[1], process.returncode)
        with httpx.Client(base_url=ready.split()[1], timeout=30, trust_env=False) as client:
            yield process, client
    finally:
        process.terminate()
        process.communicate(timeout=60)
