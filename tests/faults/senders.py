"""Sixteen clients that all send the same batches, each until it is acknowledged, and the tally.

Invariant: a sender forgets nothing it was told: every acknowledged action is in the tally.
"""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support import oracle
from tests.support.api import JSON, Wire, action, lead

CLIENTS = 16
CUSTOMERS = ["acme", "beta"]
LEADS_PER_BATCH = 20
_MAX_BATCHES = 400
_STORED = {"created", "updated", "unchanged"}
_GIVE_UP_SECONDS = 90

Post = Callable[[str], tuple[int, Any]]


def batch(number: int) -> list[Wire]:
    """Leads of April 2024; three in ten are of the batches before, most with an action more."""
    chance = random.Random(number)  # noqa: S311
    return [
        _lead(number * LEADS_PER_BATCH + place)
        if number == 0 or chance.random() > 0.3
        else _lead(chance.randrange(number * LEADS_PER_BATCH), more=1)
        for place in range(LEADS_PER_BATCH)
    ]


def _lead(number: int, more: int = 0) -> Wire:
    chance = random.Random(f"lead {number}")  # noqa: S311
    actions = [
        action(
            chance.choice(["Call", "Chat", "Like", "Form Submission"]),
            f"2024-04-{chance.randint(1, 28):02d}T{chance.randint(0, 23):02d}:00:{place:02d}Z",
            chance.choice(["High", "Medium", "Low"]),
        )
        for place in range(chance.randint(2, 6))
    ]
    return lead(
        f"lead-{number}",
        *actions[: len(actions) - 1 + more],
        customer_id=chance.choice(CUSTOMERS),
        user={"email": f"user{chance.randint(1, 40)}@people.test"},
    )


@dataclass
class Tally:
    """What the senders were told."""

    requests: int = 0
    refused: Counter[str] = field(default_factory=Counter)  # by status, or "no answer"
    acknowledged: dict[str, Wire] = field(default_factory=dict)  # the fullest of each lead
    queued: int = 0

    def note(self, status: int, document: Any, leads: list[Wire]) -> bool:
        """Whether the request is acknowledged."""
        self.requests += 1
        if status >= 400:
            self.refused[str(status)] += 1
            return False
        for result, sent in zip(document["results"], leads, strict=True):
            assert result["status"] in _STORED | {"queued"}, result
            self.queued += result["status"] == "queued"
            known = self.acknowledged.get(sent["lead_id"])
            if known is None or len(known["actions"]) < len(sent["actions"]):
                self.acknowledged[sent["lead_id"]] = sent
        return True

    def actions(self) -> set[tuple[str, oracle.Action]]:
        """Every acknowledged action."""
        return {
            (sent["lead_id"], made)
            for sent in self.acknowledged.values()
            for made in oracle.actions_of(sent)
        }


@contextmanager
def sixteen_senders(post: Post, tally: Tally) -> Iterator[None]:
    """Sends while the context lasts, then until each client's begun batch is acknowledged."""
    over = threading.Event()
    lock = threading.Lock()

    def send(_client: int) -> None:
        for number in range(_MAX_BATCHES):
            if over.is_set() and number > 0:
                return
            leads = batch(number)
            body = json.dumps(leads)
            give_up = time.monotonic() + _GIVE_UP_SECONDS
            while True:
                try:
                    status, document = post(body)
                except (ConnectionError, httpx.TransportError):
                    with lock:
                        tally.requests += 1
                        tally.refused["no answer"] += 1
                else:
                    with lock:
                        if tally.note(status, document, leads):
                            break
                assert time.monotonic() < give_up, "never acknowledged"
                time.sleep(random.uniform(0.02, 0.2))  # noqa: S311

    with ThreadPoolExecutor(CLIENTS) as pool:
        sending = [pool.submit(send, client) for client in range(CLIENTS)]
        try:
            yield
        finally:
            over.set()
        for one in sending:
            one.result()


@contextmanager
def posting_to(url: str) -> Iterator[Post]:
    """Posts over HTTP."""
    limits = httpx.Limits(max_connections=CLIENTS, max_keepalive_connections=CLIENTS)
    with httpx.Client(base_url=url, timeout=60, trust_env=False, limits=limits) as client:

        def post(body: str) -> tuple[int, Any]:
            answer = client.post("/leads", content=body.encode(), headers=JSON)
            return answer.status_code, answer.json()

        yield post
