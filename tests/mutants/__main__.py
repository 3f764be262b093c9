"""Breaks one line at a time and runs the tests that cover it: `make mutants`.

A mutant that no test notices survives. Every mutant runs in a copy of the tree, several at once.
The choice depends on the seed alone. A run of some kinds writes their rows of the page alone.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from enum import StrEnum
from itertools import zip_longest
from pathlib import Path
from queue import Queue

from scripts.doc_sections import replace_section
from scripts.stack.settings import stack
from scripts.stack.terraform import find_mirror
from tests.mutants.breaks import Mutant, mutants_of
from tests.mutants.targets import EQUIVALENT, TARGETS
from tests.support.api import PROJECT

PAGE = PROJECT / "docs" / "reliability.md"
_GREEN_SECONDS = 1_800
_LEAVE_SECONDS = 60
# A module's own tests, with the provider that scripts.stack finds.
_TEST_MODULE = (
    "import sys; from pathlib import Path; from scripts.stack import checks, settings; "
    "checks.test_module(settings.stack(), Path(sys.argv[1]).resolve())"
)
# Without these kinds no bill is right and no partner is safe.
_NONE_MAY_SURVIVE = ("rules", "money", "access")


class Outcome(StrEnum):
    """What became of a mutant. One that hangs, or slow tests, run out of time."""

    NOTICED = "noticed"
    SURVIVED = "SURVIVED"
    OUT_OF_TIME = "out of time"
    NOT_TRIED = "not tried"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--count", type=int, default=100, help="mutants, by kind in equal parts")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", help="separated by commas; all, if left out")
    parser.add_argument("--seconds", type=int, default=300, help="most for one mutant")
    parser.add_argument("--within", type=int, help="begin no further mutant after these seconds")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--unchecked", action="store_true", help="do not first run all tests")
    parser.add_argument("--write", action="store_true", help="write docs/reliability.md")
    args = parser.parse_args()
    kinds = args.kinds.split(",") if args.kinds else list(TARGETS)
    if "Terraform" in kinds and find_mirror(stack()) is None:
        print("skipped: Terraform (there is no mirror of its provider on this machine)")
        kinds.remove("Terraform")
    chosen = _chosen(kinds, args.count, random.Random(args.seed))  # noqa: S311 - no secret
    with tempfile.TemporaryDirectory(prefix="lead-billing-mutants-") as directory:
        trees: Queue[Path] = Queue()
        for number in range(args.jobs):
            trees.put(_tree(Path(directory) / str(number)))
        if not args.unchecked:
            _require_green(chosen, Path(directory) / "0")
        end = time.monotonic() + args.within if args.within else None
        with ThreadPoolExecutor(args.jobs) as pool:
            ran = list(
                pool.map(
                    lambda mutant: _ran(mutant, trees, args.seconds, end),
                    chosen,
                )
            )
    ran = [(mutant, outcome) for mutant, outcome in ran if outcome is not Outcome.NOT_TRIED]
    survivors = [mutant for mutant, outcome in ran if outcome is Outcome.SURVIVED]
    if args.write:
        table = "\n".join(_table(ran, args.seed, PAGE.read_text(encoding="utf-8")))
        page = replace_section(PAGE, "mutants", table)
        PAGE.write_text(page, encoding="utf-8")
    print(f"{len(ran)} mutants, {len(survivors)} survived")
    if any(mutant.kind in _NONE_MAY_SURVIVE for mutant in survivors):
        sys.exit(1)


def _chosen(kinds: list[str], count: int, order: random.Random) -> list[Mutant]:
    """Mutants of each kind, and of each file of it, in turn: a run cut short has some of each."""
    by_kind = []
    for kind in kinds:
        by_file = []
        for file in TARGETS[kind]:
            found = [
                mutant
                for mutant in mutants_of(kind, PROJECT, file)
                if (mutant.before.strip(), mutant.after.strip()) not in EQUIVALENT
            ]
            order.shuffle(found)
            by_file.append(found)
        by_kind.append(_in_turn(by_file))
    return _in_turn(by_kind)[:count]


def _in_turn(lists: list[list[Mutant]]) -> list[Mutant]:
    return [each for row in zip_longest(*lists) for each in row if each is not None]


def _tree(directory: Path) -> Path:
    """A copy of the files that Git knows, with the same virtual environment."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        target = directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (PROJECT / name).is_file():
            shutil.copy2(PROJECT / name, target)
    return directory


def _require_green(chosen: list[Mutant], tree: Path) -> None:
    """Exits unless the tests pass on the tree as it is: else every mutant would seem noticed."""
    tests = sorted({test for mutant in chosen for test in TARGETS[mutant.kind][mutant.file]})
    began = time.monotonic()
    if tests and not _succeeds(_pytest(tests), tree, _GREEN_SECONDS):
        sys.exit("The tests do not pass on the tree as it is: run make test.")
    print(f"The tests pass on the tree as it is ({time.monotonic() - began:.0f} s)", flush=True)


def _ran(
    mutant: Mutant, trees: Queue[Path], seconds: int, end: float | None
) -> tuple[Mutant, Outcome]:
    if end is not None and time.monotonic() > end:
        return mutant, Outcome.NOT_TRIED
    tree = trees.get()
    file = tree / mutant.file
    text = file.read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    lines[mutant.number - 1] = mutant.after + "\n"
    try:
        file.write_text("".join(lines), encoding="utf-8")
        outcome = _outcome(tree, mutant, seconds)
    finally:
        file.write_text(text, encoding="utf-8")
        trees.put(tree)
    print(f"{outcome}: {mutant.file}:{mutant.number}: {mutant.after.strip()}", flush=True)
    return mutant, outcome


def _outcome(tree: Path, mutant: Mutant, seconds: int) -> Outcome:
    if tests := TARGETS[mutant.kind][mutant.file]:
        command = _pytest(tests)
    else:
        command = [sys.executable, "-c", _TEST_MODULE, str(Path(mutant.file).parent)]
    passed = _succeeds(command, tree, seconds)
    if passed is None:
        return Outcome.OUT_OF_TIME
    return Outcome.SURVIVED if passed else Outcome.NOTICED


def _pytest(tests: Iterable[str]) -> list[str]:
    options = ["-q", "-x", "-n", "0", "-p", "no:cacheprovider"]
    return [sys.executable, "-m", "pytest", *options, *tests]


def _succeeds(command: list[str], directory: Path, seconds: int) -> bool | None:
    """Whether a command succeeds; None if it takes too long."""
    with subprocess.Popen(
        command, cwd=directory, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        try:
            return process.wait(seconds) == 0
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)  # pytest stops the servers that it started
            with suppress(subprocess.TimeoutExpired):
                process.wait(_LEAVE_SECONDS)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            return None


def _table(ran: list[tuple[Mutant, Outcome]], seed: int, page: str) -> Iterable[str]:
    """The tables of this run, with the rows of kinds that it left out as the page has them."""
    section = page.partition("<!-- mutants: made by")[2].partition("<!-- end of mutants -->")[0]
    lines = section.splitlines()
    run = {mutant.kind for mutant, _ in ran}
    outcomes = (Outcome.NOTICED, Outcome.SURVIVED, Outcome.OUT_OF_TIME)
    yield f"Seed {seed}."
    yield ""
    yield f"| kind | lines broken | {' | '.join(outcome.lower() for outcome in outcomes)} |"
    yield "|---|---:|---:|---:|---:|"
    for kind in TARGETS:
        found = [outcome for mutant, outcome in ran if mutant.kind == kind]
        if kind in run:
            counts = " | ".join(str(found.count(outcome)) for outcome in outcomes)
            yield f"| {kind} | {len(found)} | {counts} |"
        else:
            yield from (line for line in lines if line.startswith(f"| {kind} |"))
    kept = [
        line
        for kind in TARGETS
        for file in TARGETS[kind]
        for line in lines
        if kind not in run and line.startswith(f"| `{file}`: ")
    ]
    survivors = [mutant for mutant, outcome in ran if outcome is Outcome.SURVIVED]
    if survivors or kept:
        yield ""
        yield "| survived | became |"
        yield "|---|---|"
    yield from kept
    for mutant in survivors:
        before, after = (text.strip().replace("|", "\\|") for text in (mutant.before, mutant.after))
        yield f"| `{mutant.file}`: `{before}` | `{after}` |"


if __name__ == "__main__":
    main()
