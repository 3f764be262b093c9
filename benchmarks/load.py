"""Mixed load by sixteen clients on a server of `make run`: `make bench-load` (SECONDS=600).

Six of ten requests are single leads, one is a batch of a hundred of which thirty were sent before,
three read. Invariant: every figure wanted is a ratio or a count within the run.
"""

import argparse
import json
import random
import statistics
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import workload
from benchmarks.__main__ import machine, table
from benchmarks.measure import Finding
from benchmarks.servers import Client, Server, databases, product_engine, product_server
from common.settings import settings

CLIENTS = 16
_BATCH = 100
_REPEATED = 30
_WARM_UP_SECONDS = 5.0
_MEMORY_EVERY_SECONDS = 1.0


@dataclass
class Taken:
    """What the clients noted: seconds by kind of request, and what went wrong."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, kind: str, seconds: float) -> None:
        with self.lock:
            self.seconds.setdefault(kind, []).append(seconds)


class Sender:
    """One client; `send` makes its next request and says of which kind it was."""

    def __init__(self, server: Server, number: int) -> None:
        self._client = Client(server)
        self._chance = random.Random(number)
        self._seed = number * 1_000_000_000
        self._sent: list[dict[str, Any]] = []

    def send(self) -> str:
        kind, request = self._chance.choices(
            [("single", self._single), ("batch", self._batch), ("read", self._read)], [6, 1, 3]
        )[0]
        request()
        return kind

    def _single(self) -> None:
        self._client.post_leads(workload.body(self._new(1)[0]))

    def _batch(self) -> None:
        repeated = self._chance.sample(self._sent, min(_REPEATED, len(self._sent)))
        leads = repeated + self._new(_BATCH - len(repeated))
        self._sent = leads[-_BATCH:]
        self._client.post_leads(workload.body(leads))

    def _read(self) -> None:
        customer = self._chance.choice(workload.CUSTOMERS)
        path = self._chance.choice(
            [
                f"/leads?customer_id={customer}&limit=20",
                f"/billing/reports?customer_id={customer}",
                f"/billing/reports/{customer}/{workload.PERIOD}?limit=20",
            ]
        )
        self._client.drain(path)

    def _new(self, leads: int) -> list[dict[str, Any]]:
        self._seed += 1
        return workload.batch(self._seed, leads)


def load(server: Server, seconds: float, taken: Taken, first: int = 0) -> list[int]:
    """Sixteen clients for so long; the memory that the server held meanwhile, second by second.

    `first`: the number of the first client; each number sends leads of its own.
    """
    end = time.monotonic() + seconds

    def client(number: int) -> None:
        sender = Sender(server, number)
        while time.monotonic() < end:
            began = time.perf_counter()
            try:
                kind = sender.send()
            except Exception as error:
                with taken.lock:
                    taken.errors.append(f"{type(error).__name__}: {str(error)[:200]}")
                time.sleep(0.05)
                continue
            taken.note(kind, time.perf_counter() - began)

    clients = [threading.Thread(target=client, args=(first + number,)) for number in range(CLIENTS)]
    for one in clients:
        one.start()
    memory = []
    while time.monotonic() < end:
        time.sleep(_MEMORY_EVERY_SECONDS)
        memory.append(server.resident_bytes())
    for one in clients:
        one.join()
    return memory


def findings(taken: Taken, memory: list[int], seconds: float) -> list[Finding]:
    single = sorted(taken.seconds["single"])
    p50, p99 = statistics.median(single), single[int(len(single) * 0.99)]
    requests = sum(map(len, taken.seconds.values()))
    # Caches fill in the first third; what grows after it goes on growing.
    third = len(memory) // 3
    growth = statistics.median(memory[-third:]) / statistics.median(memory[third : 2 * third])
    return [
        Finding("errors", "Requests that were not answered with success", len(taken.errors), 0, ""),
        Finding(
            "p99",
            "Single leads over HTTP, p99 against p50",
            p99 / p50,
            8.0,
            details={"p50_ms": round(p50 * 1000, 2), "p99_ms": round(p99 * 1000, 2)},
        ),
        Finding(
            "memory",
            "Memory of the server in the last third of the run, against the second third",
            growth,
            1.1,
            details={"megabytes": round(memory[-1] / 1e6)},
        ),
        Finding(
            "throughput",
            "Requests a second",
            requests / seconds,
            None,
            "",
            details={kind: len(each) for kind, each in taken.seconds.items()},
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="(%(default)s)")
    parser.add_argument("--out", type=Path, help="where to write the findings as JSON")
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
    if any(finding.is_short for finding in found):
        sys.exit(1)


def measured(seconds: float, say: Callable[[str], None]) -> list[Finding]:
    """Every finding of a run of so long, after a short warm-up that counts for errors alone."""
    with databases() as available:
        url = available.migrated("load")
        with product_engine(url).begin() as connection:
            workload.register(connection)
        product_engine(url).dispose()
        settings.cache_clear()
        with product_server(url) as server:
            say(f"{CLIENTS} clients for {seconds:.0f} seconds")
            warm_up, taken = Taken(), Taken()
            load(server, _WARM_UP_SECONDS, warm_up, first=CLIENTS)
            memory = load(server, seconds, taken)
    taken.errors += warm_up.errors
    for error in taken.errors[:5]:
        say(f"error: {error}")
    return findings(taken, memory, seconds)


if __name__ == "__main__":
    main()
