"""Start a server and send it hostile input for a limited time (`make fuzz`).

It is the server of `make run`: a body passes through the gateway's event and the function's
handler, as in a deployment. The same seed gives the same input.
"""

import argparse
import sys
import time
from dataclasses import dataclass
from itertools import count

import httpx
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

from benchmarks.servers import databases, product_server, watched_memory
from common.json_reader import MAX_BODY_BYTES
from fuzz.bodies import Large, content_types, large_bodies, small_bodies
from fuzz.description import MAX_ANSWER_SECONDS, fuzz_description
from tests.support.api import action, check_shape, lead, register

_STATUSES = {200, 201, 202, 207, 400, 403, 409, 413, 415, 422}
_MAX_MEMORY = 512 * 1024 * 1024  # the function's default memory
_BODIES_PER_ROUND = 100


@dataclass
class BodyFuzzer:
    """Posts bodies, counts them, and keeps the slowest and the largest answer."""

    client: httpx.Client
    end: float  # by time.monotonic()
    bodies: int = 0
    stored: int = 0
    slowest_seconds: float = 0.0
    largest_answer: int = 0

    def run(self, first_seed: int) -> None:
        """Post until the time is over. Raises AssertionError if an answer breaks a rule."""
        for number in count(first_seed):
            if time.monotonic() > self.end:
                return
            self._round(small_bodies, _BODIES_PER_ROUND, number)
            self._round(large_bodies, _BODIES_PER_ROUND // 5, number)

    def _round(self, bodies: SearchStrategy[bytes | Large], examples: int, number: int) -> None:
        @seed(number)
        @settings(
            max_examples=examples,
            database=None,
            deadline=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(bodies, content_types)
        def answer_keeps_the_rules(body: bytes | Large, content_type: str) -> None:
            if time.monotonic() < self.end:
                self._post(body if isinstance(body, bytes) else body.content(), content_type)

        answer_keeps_the_rules()

    def _post(self, body: bytes, content_type: str) -> None:
        headers = {"content-type": content_type} if content_type else {}
        answer = self.client.post("/leads", content=body, headers=headers)
        seconds = answer.elapsed.total_seconds()
        self.bodies += 1
        self.stored += answer.status_code in {200, 201}
        self.slowest_seconds = max(self.slowest_seconds, seconds)
        self.largest_answer = max(self.largest_answer, len(answer.content))
        assert answer.status_code in _STATUSES, (answer.status_code, answer.text[:300])
        assert len(answer.content) <= MAX_BODY_BYTES, "the answer is too long for Lambda"
        assert seconds < MAX_ANSWER_SECONDS, f"the answer took {seconds:.1f} s"
        check_shape(answer)


def _check_state(client: httpx.Client) -> None:
    """Check that every stored action is on exactly one line, and that the API accepts a lead."""
    reconciliation = client.get("/billing/reconciliation").json()
    assert reconciliation["reconciled"], reconciliation
    answer = client.post("/leads", json=lead("the last", action()))
    assert answer.status_code in {200, 201}, answer.text


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="total time (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="first random seed (%(default)s)")
    args = parser.parse_args()
    half = max(1, args.seconds // 2)
    with (
        databases() as available,
        product_server(available.migrated("fuzzed"), workers=1) as server,
        watched_memory(server) as memory,
        httpx.Client(
            base_url=f"http://{server.host}:{server.port}", timeout=60, trust_env=False
        ) as client,
    ):
        register(client)
        fuzzer = BodyFuzzer(client, time.monotonic() + half)
        fuzzer.run(args.seed)
        matches, cases = fuzz_description(str(client.base_url).rstrip("/"), half, args.seed)
        _check_state(client)
    print(
        f"{fuzzer.bodies} bodies posted, {fuzzer.stored} stored completely; {cases} cases of the "
        f"description; slowest answer {fuzzer.slowest_seconds:.2f} s, "
        f"largest {fuzzer.largest_answer / 1e6:.2f} MB; "
        f"memory {memory.before / 1e6:.0f} MB before, {memory.peak / 1e6:.0f} MB at its peak"
    )
    if not fuzzer.bodies:
        sys.exit("error: the time was too short to post one body; raise FUZZ_SECONDS")
    if not cases:
        sys.exit(
            "error: the time was too short for one case of the description; raise FUZZ_SECONDS"
        )
    if memory.peak > _MAX_MEMORY:
        sys.exit("error: the server used more memory than the function has")
    if not matches:
        sys.exit("error: an answer does not match the OpenAPI description; see above")


if __name__ == "__main__":
    main()
