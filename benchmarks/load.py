"""Mixed load by sixteen clients on a server of `make run`: `make bench-load` (SECONDS=600).

Six of ten requests are single leads, one is a batch of a hundred of which thirty are in other
clients' batches of the same moment too, three read. In turns the clients send keys of their own
and, as this machine may, none. Invariant: every figure wanted is a ratio or a count within the run.
"""

import argparse
import json
import random
import statistics
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import workload
from benchmarks.__main__ import machine, table
from benchmarks.measure import Finding, wanted
from benchmarks.servers import Client, Server, databases, product_engine, product_server
from common.access.api_keys import create_key
from common.access.tokens import Token
from common.enums import Role
from common.settings import settings

CLIENTS = 16
_BATCH = 100
_REPEATED = 30
_WARM_UP_SECONDS = 5.0
_MEMORY_EVERY_SECONDS = 1.0
# One turn of each two has keys, by chance the first or the second: what comes and goes in a
# rhythm of its own meets both alike.
_TURN_SECONDS = 2.0
_MAX_P99 = 8.0
_LEAST_WITH_KEYS = 0.9
# A neighbour of the machine's who wakes in the wrong moment is none of the product's doing: where a
# ratio of the first run is short, two more follow, and the median of the three counts.
_RUNS_IN_DOUBT = 3
# Every ten requests of a client hold the same work, so that the turns do as well.
_CYCLE = ["single"] * 6 + ["batch"] + ["read"] * 3

_PAGE = Path(__file__).resolve().parent.parent / "docs" / "reliability.md"
_BEGIN, _END = "<!-- load: begin -->\n", "<!-- load: end -->\n"


@dataclass
class Taken:
    """What the clients noted: seconds by kind of request, and what went wrong."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    by_turn: Counter[bool] = field(default_factory=Counter)  # requests with keys, and without
    memory: list[int] = field(default_factory=list)  # bytes that the server held, each second
    errors: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, kind: str, seconds: float, turn: bool | None) -> None:
        with self.lock:
            self.seconds.setdefault(kind, []).append(seconds)
            if turn is not None:
                self.by_turn[turn] += 1

    @property
    def p50(self) -> float:
        return statistics.median(self.seconds["single"])

    @property
    def p99(self) -> float:
        single = sorted(self.seconds["single"])
        return single[int(len(single) * 0.99)]

    @property
    def p99_against_p50(self) -> float:
        return self.p99 / self.p50

    @property
    def with_keys(self) -> float:
        """The requests of the turns with keys, against those of the turns without."""
        return self.by_turn[True] / self.by_turn[False]

    @property
    def growth(self) -> float:
        """Of the memory. Caches fill in the first third; what grows after it goes on growing."""
        third = len(self.memory) // 3
        last, second = self.memory[-third:], self.memory[third : 2 * third]
        return statistics.median(last) / statistics.median(second)

    @property
    def is_short(self) -> bool:
        return self.p99_against_p50 > _MAX_P99 or self.with_keys < _LEAST_WITH_KEYS


class Recent:
    """The leads of the last few batches of all clients, of those still on their way too."""

    def __init__(self) -> None:
        self._leads: deque[dict[str, Any]] = deque(maxlen=3 * _BATCH)
        self._lock = threading.Lock()

    def mixed(self, new: Iterable[dict[str, Any]], chance: random.Random) -> list[dict[str, Any]]:
        """A batch of new leads and some recent ones, in no order; the new ones are recent now."""
        leads = list(new)
        with self._lock:
            repeated = chance.sample(self._leads, min(_REPEATED, len(self._leads)))
            self._leads.extend(leads)
        leads += repeated
        chance.shuffle(leads)
        return leads


class Sender:
    """One client; `send` makes its next request and says of which kind it was."""

    def __init__(self, server: Server, number: int, key: Token, recent: Recent) -> None:
        self._client = Client(server)
        self._key = {"Authorization": f"Bearer {key.text}"}
        self._chance = random.Random(number)
        self._seed = number * 1_000_000_000
        self._recent = recent
        self._coming: list[str] = []

    def send(self, has_key: bool) -> str:
        self._client.headers = self._key if has_key else {}
        if not self._coming:
            self._coming = self._chance.sample(_CYCLE, len(_CYCLE))
        kind = self._coming.pop()
        if kind == "single":
            self._client.post_leads(workload.body(self._new(1)[0]))
        elif kind == "batch":
            leads = self._recent.mixed(self._new(_BATCH - _REPEATED), self._chance)
            self._client.post_leads(workload.body(leads))
        else:
            self._client.drain(self._page())
        return kind

    def _page(self) -> str:
        customer = self._chance.choice(workload.CUSTOMERS)
        pages = (
            f"/leads?customer_id={customer}&limit=20",
            f"/billing/reports?customer_id={customer}",
            f"/billing/reports/{customer}/{workload.PERIOD}?limit=20",
        )
        return pages[self._seed % len(pages)]

    def _new(self, leads: int) -> list[dict[str, Any]]:
        self._seed += 1
        return workload.batch(self._seed, leads)


def load(server: Server, seconds: float, keys: list[Token], first: int) -> Taken:
    """Sixteen clients for so long.

    `first`: the number of the first client; each number sends leads of its own.
    """
    taken = Taken()
    began = time.monotonic()
    end = began + seconds
    recent = Recent()
    turns = list(_turns(seconds, first))

    def client(number: int, key: Token) -> None:
        sender = Sender(server, number, key, recent)
        is_first = True  # all begin at once, in the first turn: that says nothing of it
        while (now := time.monotonic()) < end:
            has_key = turns[int((now - began) / _TURN_SECONDS)]
            started = time.perf_counter()
            try:
                kind = sender.send(has_key)
            except Exception as error:
                with taken.lock:
                    taken.errors.append(f"{type(error).__name__}: {str(error)[:200]}")
                time.sleep(0.05)
                continue
            taken.note(kind, time.perf_counter() - started, None if is_first else has_key)
            is_first = False

    clients = [
        threading.Thread(target=client, args=(first + number, key))
        for number, key in enumerate(keys)
    ]
    for one in clients:
        one.start()
    while time.monotonic() < end:
        time.sleep(_MEMORY_EVERY_SECONDS)
        taken.memory.append(server.resident_bytes())
    for one in clients:
        one.join()
    return taken


def _turns(seconds: float, first: int) -> Iterator[bool]:
    """Which turns of a run have keys; enough of them, always two and two."""
    chance = random.Random(first)
    for _ in range(int(seconds / _TURN_SECONDS / 2) + 1):
        has_key = chance.random() < 0.5
        yield from (has_key, not has_key)


def findings(runs: list[Taken], errors: list[str], deadlocks: int, seconds: float) -> list[Finding]:
    """Of one run, or of three of which the median counts; errors and deadlocks of all of them."""
    requests = [sum(map(len, taken.seconds.values())) for taken in runs]
    by_kind = {kind: sum(len(taken.seconds[kind]) for taken in runs) for kind in runs[0].seconds}
    by_p99 = sorted(runs, key=lambda taken: taken.p99_against_p50)[len(runs) // 2]
    by_keys = sorted(runs, key=lambda taken: taken.with_keys)[len(runs) // 2]
    return [
        Finding("errors", "Requests that were not answered with success", len(errors), 0, ""),
        Finding(
            "deadlocks",
            "Deadlocks, with three in ten leads of a batch in others of the same moment",
            deadlocks,
            0,
            "",
        ),
        Finding(
            "p99",
            "Single leads over HTTP, p99 against p50",
            by_p99.p99_against_p50,
            _MAX_P99,
            details={"p50_ms": round(by_p99.p50 * 1000, 2), "p99_ms": round(by_p99.p99 * 1000, 2)},
        ),
        Finding(
            "memory",
            "Memory of the server in the last third of the run, against the second third",
            runs[0].growth,
            1.1,
            details={"megabytes": round(runs[0].memory[-1] / 1e6)},
        ),
        Finding(
            "auth",
            "Requests a second with keys, against without, in turns",
            by_keys.with_keys,
            _LEAST_WITH_KEYS,
            at_least=True,
            details={"with": by_keys.by_turn[True], "without": by_keys.by_turn[False]},
        ),
        Finding(
            "throughput",
            "Requests a second",
            sum(requests) / len(runs) / seconds,
            None,
            "",
            details=by_kind,
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="(%(default)s)")
    parser.add_argument("--out", type=Path, help="where to write the findings as JSON")
    parser.add_argument("--write", action="store_true", help="into docs/reliability.md, too")
    arguments = parser.parse_args()
    console = Console()
    found = measured(arguments.seconds, console.print)
    console.print(table(found))
    if arguments.out is not None:
        document = {
            "seconds": arguments.seconds,
            "machine": machine(),
            "findings": [finding.document() for finding in found],
        }
        arguments.out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    if arguments.write:
        _write(found, arguments.seconds)
    if any(finding.is_short for finding in found):
        sys.exit(1)


def measured(seconds: float, say: Callable[[str], None]) -> list[Finding]:
    """Every finding of a run of so long, after a short warm-up that counts for errors alone."""
    with databases() as available:
        url = available.migrated("load")
        with product_engine(url).begin() as connection:
            workload.register(connection)
            keys = [
                create_key(connection, f"client {number}", Role.ADMIN, None)[1]
                for number in range(CLIENTS)
            ]
        product_engine(url).dispose()
        settings.cache_clear()
        with product_server(url) as server:
            say(f"{CLIENTS} clients for {seconds:.0f} seconds")
            _require_keys_are_asked_for(server)
            warm_up = load(server, _WARM_UP_SECONDS, keys, first=CLIENTS)
            runs = [load(server, seconds, keys, first=0)]
            while runs[0].is_short and len(runs) < _RUNS_IN_DOUBT:
                say("once more, since a ratio was short: the median of three runs counts")
                runs.append(load(server, seconds, keys, first=CLIENTS * (len(runs) + 1)))
        with product_engine(url).connect() as connection:
            deadlocks = connection.exec_driver_sql(
                "select deadlocks from pg_stat_database where datname = current_database()"
            ).scalar_one()
        product_engine(url).dispose()
    errors = [error for taken in (warm_up, *runs) for error in taken.errors]
    for error in errors[:5]:
        say(f"error: {error}")
    return findings(runs, errors, deadlocks, seconds)


def _require_keys_are_asked_for(server: Server) -> None:
    """A key that is sent is looked at, though a server on this machine needs none."""
    stranger = Client(server)
    stranger.headers = {"Authorization": f"Bearer {Token.new().text}"}
    try:
        stranger.get("/customers")
    except RuntimeError as refused:
        if "401" in str(refused):
            return
    raise RuntimeError("a key that nobody made was not refused")


def _write(found: list[Finding], seconds: float) -> None:
    before, _, rest = _PAGE.read_text(encoding="utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    text = "".join(f"{line}\n" for line in _lines(found, seconds))
    _PAGE.write_text(f"{before}{_BEGIN}{text}{_END}{after}", encoding="utf-8")


def _lines(found: list[Finding], seconds: float) -> Iterator[str]:
    yield "| what | reached | wanted | | |"
    yield "|---|---:|---:|---|---|"
    for finding in found:
        verdict = "" if finding.wanted is None else "**short**" if finding.is_short else "ok"
        told = ", ".join(
            f"{name.removesuffix('_ms')} {value:,.0f} ms"
            if name.endswith("_ms")
            else f"{name} {value:,}"
            for name, value in finding.details.items()
        )
        reached = f"{finding.reached:.2f}{finding.unit}" if finding.reached else "0"
        yield f"| {finding.what} | {reached} | {wanted(finding)} | {verdict} | {told} |"
    on = machine()
    yield ""
    yield (
        f"A run of {seconds:.0f} seconds on {on['cores']} cores ({on['architecture']}, "
        f"{on['system']}), Python {on['python']}."
    )


if __name__ == "__main__":
    main()
