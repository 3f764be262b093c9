"""Things that break in the middle of batches: afterwards every acknowledged action is there once.

Each test has sixteen clients send the same batches while something fails, each until it is
acknowledged. Then the database is held against what they were told, and the bills against the
plain-Python oracle.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, NullPool, create_engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from common.billing_period import Period
from common.catalog.customers import register_customer
from common.catalog.products import register_product
from common.closing.reconciliation import reconcile
from common.closing.runs import run_billing
from common.database.transactions import snapshot
from functions.ingest import storage
from tests.faults.document import differences, page_rows
from tests.faults.senders import (
    CUSTOMERS,
    LEADS_PER_BATCH,
    Post,
    Tally,
    batch,
    posting_to,
    sixteen_senders,
)
from tests.faults.world import FunctionPool, Postgres, Server, running
from tests.support import oracle
from tests.support.api import JSON, action, lead
from tests.support.clocks import Clock, database_clock
from tests.support.function import event
from tests.support.waiting_leads import a_queue, invoke

APRIL = Period.parse("2024-04")


@dataclass
class Case:
    """A fresh database that something will happen to, and what the senders were told."""

    postgres: Postgres
    name: str
    counts: list[dict[str, Any]]
    point: Callable[[str], None]
    tally: Tally = field(default_factory=Tally)

    @property
    def address(self) -> str:
        return self.postgres.address(self.name)

    def is_up(self) -> bool:
        try:
            self.postgres.ask(self.name, "select 1")
        except OperationalError:
            return False
        return True

    @contextmanager
    def sending(self, to: Server | FunctionPool) -> Iterator[None]:
        with posting(to) as post, sixteen_senders(post, self.tally):
            yield

    def connect(self) -> Connection:
        """A connection past the relay, with a transaction begun."""
        engine = create_engine(self.postgres.direct(self.name), poolclass=NullPool)
        connection = engine.connect()
        connection.exec_driver_sql("select 1")
        return connection

    def settle(self, what: str, times: int) -> None:
        """Demands that nothing was lost or doubled and that every bill adds up; notes the counts.

        `times`: how often it happened.
        """
        acknowledged = self.tally.actions()
        stored = self._stored()
        lost, doubled = acknowledged - set(stored), len(stored) - len(set(stored))
        unknown = set(stored) - acknowledged
        errors = {status for status in self.tally.refused if status not in {"503", "no answer"}}

        assert not errors, self.tally.refused
        assert not lost
        assert not doubled
        assert not unknown  # every sender went on until it was acknowledged
        assert acknowledged
        self._bills_are_the_oracles()
        self.counts.append(
            {
                "what": what,
                "times": times,
                "requests": self.tally.requests,
                "no_answer": self.tally.refused["no answer"],
                "answered_503": self.tally.refused["503"],
                "queued": self.tally.queued,
                "acknowledged_actions": len(acknowledged),
                "stored_actions": len(stored),
                "lost": len(lost),
                "doubled": doubled,
            }
        )

    def _stored(self) -> list[tuple[str, oracle.Action]]:
        rows = self.postgres.ask(
            self.name,
            "select external_id, action_key, engagement_level, timestamp, occurrence "
            "from actions join leads using (lead_id)",
        )
        return [(row[0], (row[1], row[2], row[3].astimezone(UTC), row[4])) for row in rows]

    def _bills_are_the_oracles(self) -> None:
        """As drafts, then final; and every action is on exactly one line, before and after."""
        expected = oracle.bills(self.tally.acknowledged.values())
        self.point(self.postgres.direct(self.name))
        for _ in range(2):
            with snapshot() as session:
                found = reconcile(session, None)
            assert found.is_reconciled, found
            run_billing(APRIL, None, "the fault suite")
        for name in CUSTOMERS:
            billed = [
                (line.lead_id, line.action[2], line.gross, line.billed, line.duplicate, line.cap)
                for line in expected[name, date(2024, 4, 1)]
            ]
            assert self._final_lines(name) == billed

    def _final_lines(self, name: str) -> list[tuple[Any, ...]]:
        rows = self.postgres.ask(
            self.name,
            "select leads.external_id, l.timestamp, l.gross_cents, l.billed_cents,"
            " l.duplicate_cents, l.cap_cents from billing_report_lines as l"
            " join billing_reports as r on r.report_id = l.report_id"
            " join customers as c on c.customer_id = r.customer_id"
            " join leads on leads.lead_id = l.lead_id"
            f" where c.external_id = '{name}' order by l.line_number",
        )
        return [(row[0], row[1].astimezone(UTC), *row[2:]) for row in rows]


def posting(to: Server | FunctionPool) -> AbstractContextManager[Post]:
    return posting_to(to.url) if isinstance(to, Server) else nullcontext(to.post)


def prepared(
    postgres: Postgres, counts: list[dict[str, Any]], point: Callable[[str], None]
) -> Case:
    made = Case(postgres, postgres.database(), counts, point)
    engine = create_engine(postgres.direct(made.name), poolclass=NullPool)
    with engine.begin() as connection:
        for name in CUSTOMERS:
            register_customer(Session(connection), name, name, f"{name}@partner.test")
        register_product(Session(connection), "abc", "abc", None)
    return made


@pytest.fixture
def case(
    postgres: Postgres, counts: list[dict[str, Any]], pointed_at: Callable[[str], None]
) -> Case:
    return prepared(postgres, counts, pointed_at)


@pytest.fixture
def server(case: Case, tmp_path: Path) -> Iterator[Server]:
    with running(Server(case.address, tmp_path)) as made:
        yield made


# --- nothing happens but contention


def test_sixteen_clients_send_batches_that_overlap(case: Case, server: Server) -> None:
    with case.sending(server):
        time.sleep(6)

    assert case.tally.refused.total() == 0
    case.settle("16 clients, 30% of ids repeated", 1)
    ((deadlocks,),) = case.postgres.ask(
        case.name, "select deadlocks from pg_stat_database where datname = current_database()"
    )
    assert deadlocks == 0


def test_instances_of_the_function_do_not_deadlock(case: Case) -> None:
    pool = FunctionPool(case.address, 6)
    try:
        with case.sending(pool):
            time.sleep(6)
    finally:
        pool.close()

    assert case.tally.refused.total() == 0
    case.settle("6 instances of the function at once, 30% of ids repeated", 1)
    ((deadlocks,),) = case.postgres.ask(
        case.name, "select deadlocks from pg_stat_database where datname = current_database()"
    )
    assert deadlocks == 0


# --- kill -9


def test_killed_postgresql(case: Case, server: Server) -> None:
    with case.sending(server):
        for _ in range(3):
            time.sleep(1.5)
            case.postgres.kill()
            time.sleep(0.3)
            case.postgres.start_again()
        time.sleep(1)

    case.settle("PostgreSQL killed (`kill -9`)", 3)


def test_killed_server(case: Case, server: Server) -> None:
    with case.sending(server):
        for _ in range(3):
            time.sleep(1.5)
            server.kill()
            server.start()
        time.sleep(1)

    case.settle("the server killed (`kill -9`)", 3)


def test_killed_function(case: Case) -> None:
    pool = FunctionPool(case.address, 4)
    kills = 12
    try:
        with case.sending(pool):
            time.sleep(2)
            for number in range(kills):
                time.sleep(0.4)
                pool.kill_one(number)
            time.sleep(1)
    finally:
        pool.close()

    assert case.tally.refused["no answer"] > 0
    case.settle("an instance of the function killed (`kill -9`)", kills)


# --- the way to the database


def test_connections_cut_in_the_middle(case: Case, server: Server) -> None:
    cuts = 0
    with case.sending(server):
        for _ in range(40):
            time.sleep(0.13)
            cuts += case.postgres.relay.cut()

    assert cuts > 10
    case.settle("connections to the database cut", cuts)


def test_failover_to_another_server(case: Case, server: Server) -> None:
    """The old server turns read-only, as a replaced primary does, and the address leads on."""
    rounds = 3
    with case.sending(server):
        for _ in range(rounds):
            time.sleep(1)
            case.postgres.ask(case.name, "alter system set default_transaction_read_only = on")
            case.postgres.ask(case.name, "select pg_reload_conf()")
            time.sleep(1)
            case.postgres.ask(case.name, "alter system reset default_transaction_read_only")
            case.postgres.start_again()  # on another port: a new address behind the same name
        time.sleep(1)

    case.settle("failover: the server read-only, then another address", rounds)


# --- a database that says nothing


def test_frozen_postgresql(case: Case, server: Server) -> None:
    """Nobody waits long, and after the first ones nobody waits at all."""
    waited: dict[str, list[float]] = {"ready": [], "read": [], "post": []}
    body = json.dumps(lead("frozen", action(), customer_id="gamma"))  # nobody's, so quarantined

    def ask(what: str, client: httpx.Client) -> int:
        began = time.monotonic()
        if what == "post":
            answer = client.post("/leads", content=body, headers=JSON)
        else:
            answer = client.get({"ready": "/health/ready", "read": "/customers"}[what])
        waited[what].append(time.monotonic() - began)
        return answer.status_code

    with case.sending(server), server.client() as client, ThreadPoolExecutor(3) as pool:

        def ask_thrice(what: str) -> set[int]:
            return {ask(what, client) for _ in range(3)}

        assert ask_thrice("ready") | ask_thrice("read") == {200}
        for times in waited.values():
            times.clear()
        with case.postgres.frozen():
            frozen_until = time.monotonic() + 30
            answers = list(pool.map(ask_thrice, waited))
            time.sleep(max(0, frozen_until - time.monotonic()))
        time.sleep(4)

    assert answers == [{503}, {503}, {503}]
    assert max(waited["ready"]) < 2
    assert max(waited["read"]) < 20
    assert max(waited["post"]) < 25
    assert min(waited["read"]) < 0.5
    assert case.tally.refused["503"] > 0
    case.settle("PostgreSQL frozen for 30 seconds (`kill -STOP`)", 1)


# --- a database that cannot


def test_no_connection_left(case: Case, server: Server) -> None:
    taken: list[Connection] = []
    with case.sending(server):
        time.sleep(1)
        end = time.monotonic() + 20
        while not case.tally.refused["503"] and time.monotonic() < end:
            case.postgres.relay.cut()
            for _ in range(150):  # what is given back is taken at once
                try:
                    taken.append(case.connect())
                except OperationalError:
                    time.sleep(0.01)
        for connection in taken:
            connection.close()
        time.sleep(1)

    assert case.tally.refused["503"] > 0
    case.settle("every connection of the database taken", len(taken))


def test_database_too_slow(case: Case, server: Server) -> None:
    with case.sending(server):
        time.sleep(1)
        blocker = case.connect()
        blocker.exec_driver_sql("lock table leads in access exclusive mode")
        time.sleep(12 + 1)
        blocker.close()
        time.sleep(1)

    assert case.tally.refused["503"] > 0
    case.settle("statements slower than their limit", case.tally.refused["503"])


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own that PostgreSQL can fill."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=160m,mode=755", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        reason = "the full disk was not tested: this account may not mount a tmpfs"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_full_disk(
    small_disk: Path,
    tmp_path: Path,
    counts: list[dict[str, Any]],
    pointed_at: Callable[[str], None],
) -> None:
    postgres = Postgres(small_disk / "data")
    try:
        case = prepared(postgres, counts, pointed_at)
        with running(Server(case.address, tmp_path)) as server:
            with case.sending(server):
                time.sleep(1)
                ballast = small_disk / "ballast"
                with ballast.open("wb") as file:
                    free = shutil.disk_usage(small_disk).free
                    file.write(bytes(max(free - 256 * 1024, 0)))
                time.sleep(5)
                ballast.unlink()
                if not case.is_up():
                    postgres.start_again()
                time.sleep(1)
            assert case.tally.refused["503"] > 0
            case.settle("the database's disk full", 1)
    finally:
        pointed_at("postgresql://nobody@127.0.0.1:1/none")
        postgres.stop()


# --- clocks


@pytest.mark.parametrize("hours", [-3, 960])
def test_clock_of_the_server_is_wrong(case: Case, tmp_path: Path, hours: int) -> None:
    ours = datetime.now(UTC) + timedelta(hours=hours)

    with running(Server(case.address, tmp_path, hours)) as server:
        with case.sending(server):
            time.sleep(2)
        with server.client() as client:
            statuses = {}
            for minutes in (-1, 4, 6):
                moment = (ours + timedelta(minutes=minutes)).isoformat()
                sent = lead("ahead", action(timestamp=moment), customer_id="gamma")
                statuses[minutes] = client.post("/leads", json=sent).status_code
            month = datetime.now(UTC).strftime("%Y-%m")
            closing = client.post(f"/billing/periods/{month}/close", json={})

    # The five minutes are the function's own; whether a month is over is the database's to say.
    assert statuses == {-1: 202, 4: 202, 6: 422}  # 202: of an unknown customer, so quarantined
    assert closing.status_code == 409
    ((skewed,),) = case.postgres.ask(
        case.name,
        "select count(*) from leads where received_at not between now() - interval '5 minutes' "
        "and now()",
    )
    assert skewed == 0
    case.settle(f"the server's clock wrong by {hours:+d} hours", 1)


@pytest.fixture
def clock() -> Iterator[Clock]:
    with database_clock() as clock:
        yield clock


def test_clock_of_the_database_moves_under_way(
    clock: Clock,
    tmp_path: Path,
    counts: list[dict[str, Any]],
    pointed_at: Callable[[str], None],
) -> None:
    """`received_at` decides nothing, and a month is over when the database says so."""
    year = 365 * 24 * 3600
    postgres = Postgres(tmp_path / "data")
    try:
        case = prepared(postgres, counts, pointed_at)
        with running(Server(case.address, tmp_path)) as server:
            with case.sending(server):
                for ahead in (-3 * 3600, year, -year, 0):
                    clock.move(ahead)
                    time.sleep(0.5)
            ((spread,),) = case.postgres.ask(
                case.name, "select max(received_at) - min(received_at) from actions"
            )
            with server.client() as client:
                clock.set(datetime(2024, 4, 30, 23, 58, tzinfo=UTC))
                too_early = client.post("/billing/periods/2024-04/close", json={})
                clock.set(datetime(2024, 5, 1, 0, 0, 1, tzinfo=UTC))

        assert spread > timedelta(days=700)
        assert (too_early.status_code, "not over yet" in too_early.text) == (409, True)
        case.settle("the database's clock moved by up to a year, there and back", 4)
    finally:
        pointed_at("postgresql://nobody@127.0.0.1:1/none")
        postgres.stop()


# --- the queue


def test_leads_that_waited_are_stored_once(case: Case) -> None:
    """The database is killed; messages come twice, and in any order."""
    from functions.ingest.handler import handler  # noqa: PLC0415
    from scripts.gateway import LambdaContext  # noqa: PLC0415

    case.point(case.address)

    def post(leads: list[Any]) -> None:
        answer = handler(event(json.dumps(leads)), LambdaContext(aws_request_id="aws-1"))
        assert case.tally.note(answer["statusCode"], json.loads(answer["body"]), leads)

    with pytest.MonkeyPatch.context() as patch, a_queue(patch) as queue:
        post(batch(0))
        case.postgres.kill()
        for number in range(12):
            post(batch(number % 8))
        assert case.tally.queued == 12 * LEADS_PER_BATCH
        case.postgres.start_again()
        patch.setattr(storage, "_away_until", 0.0)
        while received := queue.receive():
            for again in (received, received[::-1]):
                assert invoke(again) == {"batchItemFailures": []}
            for message in received:
                queue.delete(message)
        post(batch(8))
        assert queue.depth(queue.dead_letters_url)["Messages"] == 0

    case.settle("PostgreSQL killed where a queue is set, each message twice", 1)


# --- what the page says


def test_page_says_what_this_run_found(counts: list[dict[str, Any]]) -> None:
    """The last one: docs/reliability.md is held against what the tests before it counted."""
    if os.environ.get("WRITE"):
        pytest.skip("the page is written after this run")
    is_whole = bool(os.environ.get("CI"))  # at the desk a run may leave faults out

    said = differences(counts, page_rows(), is_whole)

    assert said == [], "make test-faults WRITE=1 writes the page again"
