"""Measure the processor time of each kind of request: of function, service and database apart.

Function and service are two servers with one worker each, which do not catch up by themselves.
Invariant: each time is that of all processes of its side, so none of their work is left out.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

from sqlalchemy import Engine

from benchmarks import bill, billing, workload
from benchmarks.ingest import LEADS_PER_BATCH
from benchmarks.measure import Finding, in_turns
from benchmarks.servers import (
    Client,
    Databases,
    Server,
    empty_server,
    postmaster_of,
    processor_seconds,
    product_engine,
    product_server,
    tidy,
)
from common.rating.standing_totals.catch_up import catch_up
from common.settings import settings

_SIDES = ("function", "service", "database")
_FIRST_SEED = 5_000_000  # of the posted leads, which no other part posts
_PAGE_LINES = 100
_WARM_UP = 10

Run = Callable[[], int]  # gives the bytes of the body that was sent or received


@dataclass(frozen=True)
class _Kind:
    """One kind of work. `prepare` runs before each time and is not counted.

    `runs_here`: this process does the work of the service; else this process is a client only.
    """

    name: str
    title: str
    run: Run
    rounds: int
    prepare: Callable[[], object] = lambda: None
    warm_up: int = _WARM_UP
    runs_here: bool = False
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Sides:
    """The processes whose time is counted."""

    function: Server
    service: Server
    postmaster: int

    def seconds(self, runs_here: bool) -> dict[str, float]:
        return {
            "function": self.function.processor_seconds(),
            "service": time.process_time() if runs_here else self.service.processor_seconds(),
            "database": processor_seconds(self.postmaster),
        }

    def cost(self, kind: _Kind) -> Finding:
        """Runs the kind of work; what it costs once."""
        for _ in range(kind.warm_up):
            kind.prepare()
            kind.run()
        used = dict.fromkeys(_SIDES, 0.0)
        size = 0
        for _ in range(kind.rounds):
            kind.prepare()
            before = self.seconds(kind.runs_here)
            size += kind.run()
            after = self.seconds(kind.runs_here)
            used = {side: used[side] + after[side] - before[side] for side in _SIDES}
        each = {side: used[side] * 1000 / kind.rounds for side in _SIDES}
        return Finding(
            f"processor_{kind.name}",
            f"Processor time: {kind.title}",
            sum(each.values()),
            None,
            unit=" ms",
            details={f"{side}_ms": round(each[side], 3) for side in _SIDES}
            | {"rounds": kind.rounds, "bytes": size // kind.rounds}
            | dict(kind.counts),
        )


def leads_between() -> int:
    """Single leads that arrive between two times of catching up, in the month of the bill."""
    leads_a_second = bill.ACTIONS / bill.ACTIONS_PER_LEAD / bill.SECONDS
    return max(1, round(leads_a_second * settings().catch_up_seconds))


def measure(
    databases: Databases, actions: int, posts: int, batches: int, reads: int
) -> list[Finding]:
    """Requests to a month of `actions` actions, and what the month comes to in the end."""
    empty_bytes = _size(product_engine(databases.migrated("processor_empty")))
    url = billing.stored_month(databases, actions, "processor")
    engine = product_engine(url)
    catch_up()
    tidy(url)
    with _sides(url, engine) as sides, empty_server() as empty:
        sender, reader = Client(sides.function), Client(sides.service)
        kinds = [*_posts(sender, posts, batches), *_reads(reader, actions, posts, reads)]
        findings = [sides.cost(kind) for kind in kinds]
        findings += _against_empty(reader, Client(empty), actions, reads)
        stored = _actions(engine)
        close = _Kind(
            "close",
            f"closing a month of all customers with {stored:,} actions",
            lambda: len(reader.post(f"/billing/periods/{workload.PERIOD}/close")),
            rounds=1,
            warm_up=0,
            counts={"actions": stored, "leads": stored // workload.ACTIONS_PER_LEAD},
        )
        findings.append(sides.cost(close))
    size = Finding(
        "storage",
        "Bytes that the database holds for an action, of a closed month",
        (_size(engine) - empty_bytes) / stored,
        None,
        unit=" bytes",
        details={"actions": stored},
    )
    return [*findings, size]


@contextmanager
def _sides(url: str, engine: Engine) -> Iterator[_Sides]:
    with (
        product_server(url, workers=1, catches_up=False) as function,
        product_server(url, workers=1, catches_up=False) as service,
    ):
        yield _Sides(function, service, postmaster_of(engine))


def _posts(sender: Client, posts: int, batches: int) -> list[_Kind]:
    seeds = count(_FIRST_SEED)

    def post(leads: int) -> int:
        new = workload.batch(next(seeds), leads)
        body = workload.body(new if leads > 1 else new[0])
        sender.post_leads(body)
        return len(body)

    def post_singles() -> None:
        for _ in range(singles):
            post(1)

    def caught_up() -> int:
        catch_up()
        return 0

    singles = leads_between()
    behind = f"catching up with {LEADS_PER_BATCH:,} leads"
    behind_singles = f"catching up with {singles} leads, as after two seconds of single leads"
    return [
        _Kind("single", "a single lead of 5 actions", lambda: post(1), posts, counts={"leads": 1}),
        _Kind(
            "batch",
            f"a batch of {LEADS_PER_BATCH:,} leads of 5 actions",
            lambda: post(LEADS_PER_BATCH),
            batches,
            warm_up=3,
            counts={"leads": LEADS_PER_BATCH},
        ),
        *(
            _Kind(name, title, caught_up, batches, prepare, 3, True, {"leads": leads})
            for name, title, leads, prepare in (
                ("catch_up", behind, LEADS_PER_BATCH, lambda: post(LEADS_PER_BATCH)),
                ("catch_up_singles", behind_singles, singles, post_singles),
            )
        ),
    ]


def _reads(reader: Client, actions: int, many: int, reads: int) -> list[_Kind]:
    report = _report()
    cursor = json.loads(reader.get(f"{report}/lines?limit=1000"))["next_cursor"]
    of_customer = f"of a customer with {actions // 10:,} actions"
    paths = {
        "health": ("GET of the health route", "/health/live", many),
        "lead": ("GET of a lead", f"/leads/{_a_lead(reader)}", many),
        "header": (f"GET of a report's header, {of_customer}", f"{report}?limit=1", reads),
        "lines": (
            f"GET of a page of {_PAGE_LINES} lines, {of_customer}",
            f"{report}/lines?limit={_PAGE_LINES}&cursor={cursor}",
            reads,
        ),
        "list": (
            "GET of the list of reports of 100 customers",
            f"/billing/reports?period={workload.PERIOD}&limit=100",
            reads,
        ),
    }
    return [
        _Kind(name, title, _get(reader, path), rounds, warm_up=3)
        for name, (title, path, rounds) in paths.items()
    ]


def _against_empty(reader: Client, empty: Client, actions: int, rounds: int) -> Iterator[Finding]:
    """The time until the answer is read, in turns with an empty route."""
    reads = {
        "health": ("the health route", "/health/live"),
        "lead": ("a lead", f"/leads/{_a_lead(reader)}"),
        "header": (f"the header of a report of {actions // 10:,} actions", f"{_report()}?limit=1"),
    }
    sides = {name: lambda _, path=path: reader.get(path) for name, (_, path) in reads.items()}
    medians = in_turns(rounds, {"empty": lambda _: empty.get("/empty"), **sides}, warm_up=_WARM_UP)
    for name, (what, _) in reads.items():
        both = {"empty": medians["empty"], name: medians[name]}
        title = f"GET of {what}, against an empty route of FastAPI"
        yield Finding.ratio(f"empty_{name}", title, both, (name, "empty"), None, rounds=rounds)


def _report() -> str:
    return f"/billing/reports/{workload.LARGE_CUSTOMER}/{workload.PERIOD}"


def _a_lead(reader: Client) -> str:
    found = json.loads(reader.get(f"/leads?customer_id={workload.LARGE_CUSTOMER}&limit=1"))
    return str(found["data"][0]["lead_id"])


def _get(reader: Client, path: str) -> Run:
    return lambda: len(reader.get(path))


def _actions(engine: Engine) -> int:
    with engine.connect() as connection:
        found: int = connection.exec_driver_sql("select count(*) from actions").scalar_one()
        return found


def _size(engine: Engine) -> int:
    with engine.connect() as connection:
        size: int = connection.exec_driver_sql(
            "select pg_database_size(current_database())"
        ).scalar_one()
        return size
