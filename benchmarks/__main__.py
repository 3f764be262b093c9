"""Measures the product and tells what it reached (`make bench`).

Everything runs on one embedded PostgreSQL with the durable settings of `make run`.
"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import billing, closing, ingest, versus
from benchmarks import console as console_pages
from benchmarks.measure import Finding, wanted
from benchmarks.servers import Databases, databases, server_facts

_MILLION = 1_000_000


@dataclass(frozen=True)
class Sizes:
    """How much is measured, how often."""

    batches: int
    singles: int
    month: int  # actions; a second month holds ten times as many
    decided: int
    closed: int  # actions of a month
    closes: int
    readings: int
    reports: int
    streams: int
    baseline_batches: int
    baseline_months: int
    baseline_reports: int


FULL = Sizes(
    batches=30,
    singles=500,
    month=_MILLION,
    decided=4,
    closed=_MILLION,
    closes=3,
    readings=10,
    reports=15,
    streams=3,
    baseline_batches=3,
    baseline_months=2,
    baseline_reports=3,
)
QUICK = Sizes(
    batches=8,
    singles=100,
    month=_MILLION // 10,
    decided=2,
    closed=_MILLION // 5,
    closes=1,
    readings=3,
    reports=3,
    streams=1,
    baseline_batches=1,
    baseline_months=1,
    baseline_reports=1,
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller, for use while developing")
    parser.add_argument("--out", type=Path, help="where to write the findings as JSON")
    parser.add_argument(
        "--only",
        choices=list(PARTS),
        nargs="+",
        default=list(PARTS),
        help="parts to measure; what --out holds of the others is kept",
    )
    parser.add_argument("--strict", action="store_true", help="end with 1 when a target is missed")
    arguments = parser.parse_args()
    if _kept(arguments.out).get("quick", arguments.quick) != arguments.quick:
        parser.error(f"{arguments.out} holds findings of another size")
    console = Console()
    with databases() as available:
        facts = machine() | server_facts(available)
        sizes = QUICK if arguments.quick else FULL
        findings = measured(Months(available), sizes, arguments.only, console)
    if arguments.out is not None:
        _keep(arguments.out, {"quick": arguments.quick, "machine": facts}, findings)
    console.print(table(findings))
    short = [finding for finding in findings if finding.is_short]
    for finding in short:
        console.print(f"[bold red]short[/] {finding.what}")
    if short and arguments.strict:
        sys.exit(1)


class Months:
    """The databases of one run, with months that several parts read and none changes."""

    def __init__(self, available: Databases) -> None:
        self.available = available
        self._urls: dict[int, str] = {}

    def of(self, actions: int) -> str:
        """The URL of a database that holds a month of that many actions."""
        if actions not in self._urls:
            self._urls[actions] = billing.stored_month(self.available, actions)
        return self._urls[actions]


Part = Callable[[Months, Sizes], list[Finding]]

PARTS: dict[str, Part] = {
    "ingest": lambda months, sizes: ingest.measure(months.available, sizes.batches, sizes.singles),
    "batches": lambda months, sizes: [
        versus.measure_batches(months.available, sizes.baseline_batches)
    ],
    "deciding": lambda months, sizes: billing.measure_deciding(
        {actions: months.of(actions) for actions in (sizes.month, sizes.month * 10)}, sizes.decided
    ),
    "closing": lambda months, sizes: closing.measure(
        months.available, sizes.closed, sizes.closes, sizes.readings
    ),
    "report": lambda months, sizes: billing.measure_report(
        months.of(_MILLION), sizes.reports, sizes.streams
    ),
    "console": lambda months, sizes: console_pages.measure(months.of(_MILLION), sizes.decided),
    "reports": lambda months, sizes: versus.measure_reports(
        months.available,
        months.of(sizes.month),
        sizes.month,
        sizes.baseline_months,
        sizes.baseline_reports,
    ),
}


def measured(months: Months, sizes: Sizes, parts: Sequence[str], console: Console) -> list[Finding]:
    """The findings of these parts, each measured while nothing else of ours runs."""
    findings: list[Finding] = []
    for part in parts:
        load = os.getloadavg()[0]
        console.print(f"[bold blue]>[/] {part}, at a load of {load:.1f}")
        for finding in PARTS[part](months, sizes):
            findings.append(replace(finding, part=part, load=round(load, 1)))
            reached = f"{finding.reached:.2f}{finding.unit}"
            console.print(f"  {finding.name}: {reached}, wanted {wanted(finding)}")
    return findings


def _keep(file: Path, run: dict[str, Any], findings: list[Finding]) -> None:
    """Writes the findings in the order of their parts; what the file holds of others stays."""
    found = {finding.part for finding in findings}
    before = map(Finding.read, _kept(file).get("findings", []))
    kept = [each for each in before if each.part not in found]
    ordered = sorted([*kept, *findings], key=lambda finding: list(PARTS).index(finding.part))
    document = run | {"findings": [finding.document() for finding in ordered]}
    file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _kept(file: Path | None) -> dict[str, Any]:
    """What an earlier run wrote there, if one did."""
    if file is None or not file.exists():
        return {}
    written: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return written


def machine() -> dict[str, Any]:
    """What the findings depend on; nothing that names a machine."""
    return {
        "cores": os.cpu_count(),
        "architecture": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def table(findings: list[Finding]) -> Table:
    """The findings for a terminal."""
    made = Table(title="Speed, as ratios within one run", title_justify="left")
    made.add_column("what")
    made.add_column("reached", justify="right")
    made.add_column("wanted", justify="right")
    made.add_column("")
    for finding in findings:
        made.add_row(
            finding.what,
            f"{finding.reached:.2f}{finding.unit}",
            wanted(finding),
            "" if finding.wanted is None else "[red]short[/]" if finding.is_short else "ok",
        )
    return made


if __name__ == "__main__":
    main()
