"""The clients of the mixed load (benchmarks/load.py): what each sends next."""

import random
import threading
from collections import deque
from collections.abc import Iterable
from typing import Any

from benchmarks import workload
from benchmarks.servers import Client, Server
from common.access.tokens import Token

_BATCH = 100
_REPEATED = 30
# Every ten requests of a client are the same work, so every turn is the same work too.
_CYCLE = ["single"] * 6 + ["batch"] + ["read"] * 3


class RecentLeads:
    """The leads of the last three batches of all clients, including unanswered ones."""

    def __init__(self) -> None:
        self._leads: deque[dict[str, Any]] = deque(maxlen=3 * _BATCH)
        self._lock = threading.Lock()

    def mix(self, new: Iterable[dict[str, Any]], chance: random.Random) -> list[dict[str, Any]]:
        """A batch of the new leads and some recent ones, in random order."""
        leads = list(new)
        with self._lock:
            repeated = chance.sample(self._leads, min(_REPEATED, len(self._leads)))
            self._leads.extend(leads)
        leads += repeated
        chance.shuffle(leads)
        return leads


class Sender:
    """One client. `send` sends its next request and returns the kind of that request."""

    def __init__(self, server: Server, number: int, key: Token, recent: RecentLeads) -> None:
        self._client = Client(server)
        self._key = {"Authorization": f"Bearer {key.text}"}
        self._chance = random.Random(number)
        self._seed = number * 1_000_000_000
        self._recent = recent
        self._next_kinds: list[str] = []

    def send(self, has_key: bool) -> str:
        self._client.headers = self._key if has_key else {}
        if not self._next_kinds:
            self._next_kinds = self._chance.sample(_CYCLE, len(_CYCLE))
        kind = self._next_kinds.pop()
        if kind == "single":
            self._client.post_leads(workload.body(self._new(1)[0]))
        elif kind == "batch":
            leads = self._recent.mix(self._new(_BATCH - _REPEATED), self._chance)
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
