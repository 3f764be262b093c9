"""`make bench-load`: the targets that a run misses, and the run in docs/reliability.md."""

import re
from collections import Counter

import pytest

from benchmarks import hostile
from benchmarks.load import Run, WorkerTurns, findings
from tests.support.api import PROJECT


def a_run(p99: float = 2.0, with_keys: int = 100, memory: float = 1.0) -> Run:
    run = Run()
    run.seconds["single"] = [1.0] * 98 + [p99] * 2
    run.by_turn.update({True: with_keys, False: 100})
    run.memory = [100] * 20 + [int(100 * memory)] * 10
    return run


def missed_targets(runs: list[Run], errors: int = 0, deadlocks: int = 0) -> list[str]:
    results = findings(runs, ["error"] * errors, deadlocks, 60)
    return [finding.name for finding in results if finding.misses_target]


@pytest.mark.parametrize(
    ("runs", "missed"),
    [
        ([a_run()], []),
        ([a_run(p99=8.1)], ["p99"]),
        ([a_run(with_keys=89)], ["auth"]),
        ([a_run(memory=1.2)], ["memory"]),
        ([a_run(p99=9), a_run(), a_run()], []),
        ([a_run(p99=9), a_run(), a_run(p99=8.1)], ["p99"]),
        ([a_run(with_keys=80), a_run(), a_run(with_keys=89)], ["auth"]),
    ],
)
def test_run_that_misses_a_target_is_named(runs: list[Run], missed: list[str]) -> None:
    assert missed_targets(runs) == missed


def test_workers_are_compared_by_the_median_of_their_turns() -> None:
    turns = WorkerTurns(one=[Run({"single": [1.0] * 40})] * 3)
    turns.all = [Run({"single": [1.0] * count}) for count in (10, 60, 80)]

    finding = turns.finding()

    assert finding.reached == pytest.approx(1.5)
    assert finding.details == {"one": 10, "per_core": 15}


def test_hostile_clients_may_cost_the_honest_ones_three_times_their_p99() -> None:
    alone = [1.0] * 98 + [2.0] * 2

    for slowest, is_missed in ((6.0, False), (6.1, True)):
        finding = hostile.finding(alone, [1.0] * 98 + [slowest] * 2, Counter(drafts=3))
        assert finding.misses_target == is_missed
    assert finding.details == {"alone_ms": 2000, "beside_ms": 6100, "drafts": 3}


def test_one_error_or_deadlock_misses_a_target() -> None:
    missed = missed_targets([a_run(), a_run(), a_run()], errors=1, deadlocks=1)

    assert missed == ["errors", "deadlocks"]


def test_page_has_a_run_of_ten_minutes_that_reaches_every_target() -> None:
    page = (PROJECT / "docs" / "reliability.md").read_text(encoding="utf-8")
    table = page.partition("<!-- load: made by `make bench-load WRITE=1` -->")[2].partition(
        "<!-- end of load -->"
    )[0]

    verdicts = re.findall(r"^\| .* \| (ok|\*\*missed\*\*|) \| [^|]*\|$", table, re.MULTILINE)
    assert verdicts.count("ok") == 6
    assert "**missed**" not in verdicts
    assert "A run of 600 seconds" in table
