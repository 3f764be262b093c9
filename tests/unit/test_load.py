"""`make bench-load`: what makes a run short, and that docs/reliability.md tells of one."""

import re

import pytest

from benchmarks.load import Taken, findings
from tests.support.api import PROJECT


def a_run(p99: float = 2.0, with_keys: int = 100, memory: float = 1.0) -> Taken:
    taken = Taken()
    taken.seconds["single"] = [1.0] * 98 + [p99] * 2
    taken.by_turn.update({True: with_keys, False: 100})
    taken.memory = [100] * 20 + [int(100 * memory)] * 10
    return taken


def short(runs: list[Taken], errors: int = 0, deadlocks: int = 0) -> list[str]:
    found = findings(runs, ["error"] * errors, deadlocks, 60)
    return [finding.name for finding in found if finding.is_short]


@pytest.mark.parametrize(
    ("runs", "told"),
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
def test_run_is_short_of_what_is_wanted(runs: list[Taken], told: list[str]) -> None:
    assert short(runs) == told


def test_no_error_and_no_deadlock_is_forgiven() -> None:
    assert short([a_run(), a_run(), a_run()], errors=1, deadlocks=1) == ["errors", "deadlocks"]


def test_page_tells_of_a_run_of_ten_minutes_that_reached_all() -> None:
    page = (PROJECT / "docs" / "reliability.md").read_text(encoding="utf-8")
    table = page.partition("<!-- load: begin -->")[2].partition("<!-- load: end -->")[0]

    verdicts = re.findall(r"^\| .* \| (ok|\*\*short\*\*|) \| [^|]*\|$", table, re.MULTILINE)
    assert verdicts.count("ok") == 5
    assert "**short**" not in verdicts
    assert "A run of 600 seconds" in table
