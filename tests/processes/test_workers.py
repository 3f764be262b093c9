"""The worker processes of `make run`: how many, what they share, and how they end."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from os import kill
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import Engine, text

from common.settings import settings
from scripts.cli import CommandError
from scripts.database import shared_connections
from tests.processes.test_local_server import JSON, SAMPLE, register_the_sample
from tests.support.api import PROJECT
from tests.support.processes import children_of, is_running, running

SERVER = """
import asyncio, os, sys
from pathlib import Path
from scripts.cli import handle_exit
from scripts.local_server import address_of, listen_on
from scripts.workers import serving
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

async def answer(request):
    os.write(1, b"asked\\n")
    while not Path(sys.argv[1]).exists():
        await asyncio.sleep(0.01)
    return PlainTextResponse("answered")

async def lifespan(app):
    assert sys.argv[1] != "fails"
    yield

app = Starlette(routes=[Route("/", answer)], lifespan=lifespan)
with handle_exit(), listen_on("127.0.0.1", 0) as listener, serving(app, listener, 2) as workers:
    print(address_of(listener), flush=True)
    workers.watch()
"""


@contextmanager
def server_of(argument: object) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(argument)],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def patient_client(client: httpx.Client) -> httpx.Client:
    """A client of the same server, for as many requests at once as are wanted."""
    limits = httpx.Limits(max_connections=None)
    return httpx.Client(base_url=client.base_url, limits=limits, timeout=60, trust_env=False)


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_refused(address: str) -> bool:
    parts = urlsplit(address)
    try:
        socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=5).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        return False
    return False


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """The process does nothing in the meantime."""
    kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        kill(pid, signal.SIGCONT)


def test_each_worker_serves_alone(tmp_path: Path, empty_database_url: str) -> None:
    with running(tmp_path, DATABASE_URL=empty_database_url, WORKERS="2") as (process, one):
        register_the_sample(one)
        workers = children_of(process.pid)
        answers = []
        for other in reversed(workers):
            with stopped(other), httpx.Client(base_url=one.base_url, trust_env=False) as client:
                report = client.get("/billing/reports/customer-123/2024-04")
                answers.append((client.post("/leads", content=SAMPLE, headers=JSON), report))

    assert len(workers) == 2
    assert [stored.json()["created"] for stored, _ in answers] == [4, 0]
    assert [report.status_code for _, report in answers] == [200, 200]


def test_any_worker_shows_what_all_of_them_counted(tmp_path: Path, empty_database_url: str) -> None:
    stored = []
    with running(tmp_path, DATABASE_URL=empty_database_url, WORKERS="2") as (process, one):
        register_the_sample(one)
        for other in children_of(process.pid):
            with stopped(other), httpx.Client(base_url=one.base_url, trust_env=False) as client:
                client.post("/leads", content=SAMPLE, headers=JSON).raise_for_status()
        for other in children_of(process.pid):
            with stopped(other), httpx.Client(base_url=one.base_url, trust_env=False) as client:
                stored += re.findall(
                    r"^lead_billing_leads_(\w+)_total (\S+)$", client.get("/metrics").text, re.M
                )

    assert stored.count(("created", "4.0")) == 2
    assert stored.count(("unchanged", "4.0")) == 2


def test_killed_worker_is_replaced_and_the_log_says_so(
    tmp_path: Path, empty_database_url: str
) -> None:
    with running(tmp_path, DATABASE_URL=empty_database_url, WORKERS="2") as (process, client):
        killed, other = children_of(process.pid)

        kill(killed, signal.SIGKILL)

        assert process.stderr is not None
        line = json.loads(process.stderr.readline())
        assert (line["level"], line["worker"], line["status"]) == ("ERROR", killed, -9)
        with stopped(other):
            assert httpx.get(f"{client.base_url}/health/ready", trust_env=False).is_success
        assert len(children_of(process.pid)) == 2


def test_stopping_server_refuses_connections_and_answers_what_it_has(tmp_path: Path) -> None:
    goes_on = tmp_path / "goes-on"
    with server_of(goes_on) as process, ThreadPoolExecutor() as pool:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        workers = children_of(process.pid)
        answers = [pool.submit(httpx.get, address, trust_env=False, timeout=30) for _ in range(4)]
        assert [process.stdout.readline() for _ in answers] == ["asked\n"] * 4

        process.terminate()

        wait_until(lambda: is_refused(address))
        assert process.poll() is None
        goes_on.touch()
        assert {answer.result().text for answer in answers} == {"answered"}
        assert process.wait(timeout=30) == 0
        assert not any(map(is_running, workers))


def test_workers_end_with_a_killed_server(tmp_path: Path) -> None:
    with server_of(tmp_path / "never") as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        workers = children_of(process.pid)
        assert len(workers) == 2

        process.kill()

        wait_until(lambda: is_refused(address))
        wait_until(lambda: not any(map(is_running, workers)))


def test_worker_that_cannot_start_ends_the_server() -> None:
    with server_of("fails") as process:
        _, errors = process.communicate(timeout=30)

    assert process.returncode == 1
    assert errors.endswith("error: the server did not start; the log above says why.\n")


def test_pools_of_all_workers_fit_into_the_database(configured_database: str) -> None:
    whole = settings().database_pool_size
    with shared_connections(2, default=1) as workers:
        of_two = (workers, settings().database_pool_size)
    with shared_connections(None, default=10_000) as workers:
        of_many = (workers, settings().database_pool_size)

    assert of_two == (2, whole)
    assert of_many[1] == 1
    with (
        pytest.raises(CommandError, match=f"enough for {of_many[0]} workers"),
        shared_connections(of_many[0] + 1, default=1),
    ):
        raise AssertionError("the database does not allow so many")


def test_readers_beyond_the_connections_wait_without_a_thread(
    tmp_path: Path, database_url: str, engine: Engine
) -> None:
    waits = text("select count(*) from pg_locks where not granted")
    sessions = text("select count(*) from pg_stat_activity where application_name = 'lead-billing'")
    with (
        running(
            tmp_path,
            DATABASE_URL=database_url,
            WORKERS="1",
            DATABASE_POOL_SIZE="2",
            BACKGROUND_WORK="false",
        ) as (_, client),
        patient_client(client) as many,
        ThreadPoolExecutor(60) as pool,
    ):
        with engine.begin() as blocking, engine.connect() as watching:
            blocking.execute(text("lock table customers in access exclusive mode"))
            answers = [pool.submit(many.get, "/customers") for _ in range(60)]
            wait_until(lambda: watching.scalar(waits) == 4)
            assert watching.scalar(sessions) == 4
        statuses = {answer.result().status_code for answer in answers}

    assert statuses == {200}


def test_reports_are_read_while_more_batches_wait_than_there_are_threads(
    tmp_path: Path, database_url: str, engine: Engine
) -> None:
    waits = text("select count(*) from pg_locks where relation = 'leads'::regclass and not granted")
    with (
        running(tmp_path, DATABASE_URL=database_url, WORKERS="1") as (_, client),
        patient_client(client) as many,
        ThreadPoolExecutor(60) as pool,
    ):
        register_the_sample(client)
        with engine.begin() as blocking, engine.connect() as watching:
            # Readers may have it at the same time, writers may not.
            blocking.execute(text("lock table leads in share mode"))
            posts = [
                pool.submit(many.post, "/leads", content=SAMPLE, headers=JSON) for _ in range(60)
            ]
            wait_until(lambda: watching.scalar(waits) == 1)

            read = client.get("/billing/reports/customer-123/2024-04")
        stored = [post.result().status_code for post in posts]

    assert read.status_code == 200
    assert set(stored) <= {200, 201}


def test_close_under_way_ends_after_sigterm_and_new_requests_are_503(
    tmp_path: Path, database_url: str, engine: Engine
) -> None:
    with (
        running(tmp_path, DATABASE_URL=database_url) as (process, client),
        httpx.Client(base_url=client.base_url, timeout=60, trust_env=False) as closer,
        ThreadPoolExecutor() as pool,
    ):
        register_the_sample(client)
        client.post("/leads", content=SAMPLE, headers=JSON).raise_for_status()
        with engine.begin() as blocking:
            blocking.execute(text("lock table billing_reports in share mode"))
            closing = pool.submit(closer.post, "/billing/periods/2024-04/close", json={})
            waits = text("select count(*) from pg_locks where not granted")
            with engine.connect() as watching:
                wait_until(lambda: watching.scalar(waits) > 0)
            process.terminate()
            time.sleep(0.5)
            refused = client.get("/customers")
        closed = closing.result()
        process.communicate(timeout=60)

    assert (refused.status_code, refused.json()["type"]) == (503, "urn:lead-billing:problem:busy")
    assert (closed.status_code, closed.json()["closed"]) == (200, 2)
    assert process.returncode == 0
