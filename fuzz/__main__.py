"""`make fuzz`: throws hostile input at a server of its own, for a bounded time.

The server is the one of `make run`, so a body passes the gateway's event and the function's
handler as it does anywhere. The same seed gives the same input.
"""

import argparse
import sys
import time
from dataclasses import dataclass
from itertools import count

import httpx
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

from benchmarks.servers import MemoryWatch, databases, product_server
from common.leads.parsing import MAX_BODY_BYTES
from fuzz.bodies import Large, content_types, large_bodies, small_bodies
from fuzz.description import MAX_ANSWER_SECONDS, fuzz_description
from tests.support.api import action, check_shape, lead, register

_STATUSES = {200, 201, 202, 207, 400, 409, 413, 422}
_MAX_MEMORY = 512 * 1024 * 1024  # what the function has unless told otherwise
_BODIES_A_ROUND = 100


@dataclass
class BodyFuzzer:
    """Posts bodies, and keeps count of them and of the worst of what came back."""

    client: httpx.Client
    end: float  # by time.monotonic()
    bodies: int = 0
    stored: int = 0
    slowest_seconds: float = 0.0
    largest_answer: int = 0

    def run(self, first_seed: int) -> None:
        """Posts until the time is up. Raises AssertionError on an answer that breaks a rule."""
        for number in count(first_seed):
            if time.monotonic() > self.end:
                return
            self._round(small_bodies, _BODIES_A_ROUND, number)
            self._round(large_bodies, _BODIES_A_ROUND // 5, number)

    def _round(self, bodies: SearchStrategy[bytes | Large], most: int, number: int) -> None:
        @seed(number)
        @settings(
            max_examples=most,
            database=None,
            deadline=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(bodies, content_types)
        def is_answered_by_the_rules(drawn: bytes | Large, content_type: str) -> None:
            if time.monotonic() < self.end:
                self._post(drawn if isinstance(drawn, bytes) else drawn.body(), content_type)

        is_answered_by_the_rules()

    def _post(self, body: bytes, content_type: str) -> None:
        headers = {"content-type": content_type} if content_type else {}
        answer = self.client.post("/leads", content=body, headers=headers)
        seconds = answer.elapsed.total_seconds()
        self.bodies += 1
        self.stored += answer.status_code in {200, 201}
        self.slowest_seconds = max(self.slowest_seconds, seconds)
        self.largest_answer = max(self.largest_answer, len(answer.content))
        assert answer.status_code in _STATUSES, (answer.status_code, answer.text[:300])
        assert len(answer.content) <= MAX_BODY_BYTES, "AWS hands back no answer of this length"
        assert seconds < MAX_ANSWER_SECONDS, f"the answer took {seconds:.1f} s"
        check_shape(answer)


def _is_sound(client: httpx.Client) -> None:
    """After it all, every stored action is on exactly one line, and work goes on."""
    reconciled = client.get("/billing/reconciliation").json()
    assert reconciled["reconciled"], reconciled
    answer = client.post("/leads", json=lead("the last", action()))
    assert answer.status_code in {200, 201}, answer.text


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="in all (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="where to begin (%(default)s)")
    arguments = parser.parse_args()
    half = max(1, arguments.seconds // 2)
    with (
        databases() as available,
        product_server(available.migrated("fuzzed")) as server,
        MemoryWatch(server) as memory,
        httpx.Client(
            base_url=f"http://{server.host}:{server.port}", timeout=60, trust_env=False
        ) as client,
    ):
        register(client)
        fuzzer = BodyFuzzer(client, time.monotonic() + half)
        fuzzer.run(arguments.seed)
        keeps_its_word = fuzz_description(str(client.base_url).rstrip("/"), half, arguments.seed)
        _is_sound(client)
    print(
        f"{fuzzer.bodies} bodies posted, {fuzzer.stored} wholly stored; slowest answer "
        f"{fuzzer.slowest_seconds:.2f} s, largest {fuzzer.largest_answer / 1e6:.2f} MB; "
        f"memory {memory.before / 1e6:.0f} MB before, {memory.peak / 1e6:.0f} MB at the most"
    )
    if not fuzzer.bodies:
        sys.exit("error: there was no time to post a single body; raise FUZZ_SECONDS")
    if memory.peak > _MAX_MEMORY:
        sys.exit("error: the server took more memory than the function has")
    if not keeps_its_word:
        sys.exit("error: an answer breaks what the description says; see above")


if __name__ == "__main__":
    main()
