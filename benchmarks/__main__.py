"""Measure the product and print the findings (`make bench`).

All parts use one embedded PostgreSQL with the durable settings of `make run`.
"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import billing, closing, files, ingest, processor, standing, versus
from benchmarks import console as console_pages
from benchmarks.measure import Finding
from benchmarks.servers import Databases, databases, server_facts

_MILLION = 1_000_000


# How many objects and repetitions each part measures: at full size, and with --quick.
_SIZES = {
    "batches": (30, 8),
    "singles": (500, 100),
    "month": (_MILLION, _MILLION // 10),  # actions; a second month holds ten times as many
    "ratings": (4, 2),
    "customers": (10_000, 1_000),
    "closed": (_MILLION, _MILLION // 5),  # actions of a month
    "closes": (3, 1),
    "readings": (10, 3),
    "reports": (15, 3),
    "streams": (3, 1),
    "posts": (1_000, 200),
    "reads": (30, 10),
    "lines": (_MILLION, _MILLION // 20),  # of an export
    "rows": (_MILLION, _MILLION // 40),  # of an import
    "baseline_batches": (3, 1),
    "baseline_months": (2, 1),
    "baseline_reports": (3, 1),
}
Sizes = dict[str, int]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, for development")
    parser.add_argument("--out", type=Path, help="file for the findings, as JSON")
    parser.add_argument(
        "--only",
        choices=list(PARTS),
        nargs="+",
        default=list(PARTS),
        help="parts to measure; the --out file keeps its findings of other parts",
    )
    parser.add_argument("--strict", action="store_true", help="exit with 1 if a target is missed")
    args = parser.parse_args()
    if _read(args.out).get("quick", args.quick) != args.quick:
        parser.error(f"{args.out} holds findings of another size")
    console = Console()
    with databases() as available:
        facts = machine() | server_facts(available)
        sizes = {name: quick if args.quick else full for name, (full, quick) in _SIZES.items()}
        findings = measure(Months(available), sizes, args.only, console)
    if args.out is not None:
        _write(args.out, {"quick": args.quick, "machine": facts}, findings)
    console.print(table(findings))
    missed = [finding for finding in findings if finding.misses_target]
    for finding in missed:
        console.print(f"[bold red]missed[/] {finding.title}")
    if missed and args.strict:
        sys.exit(1)


class Months:
    """The databases of one run, and months of actions that several parts read without a change."""

    def __init__(self, available: Databases) -> None:
        self.available = available
        self._urls: dict[int, str] = {}

    def of(self, actions: int) -> str:
        """The URL of a database with a month of `actions` actions."""
        if actions not in self._urls:
            self._urls[actions] = billing.stored_month(self.available, actions)
        return self._urls[actions]


Part = Callable[[Months, Sizes], list[Finding]]

PARTS: dict[str, Part] = {
    "ingest": lambda months, sizes: ingest.measure(
        months.available, sizes["batches"], sizes["singles"]
    ),
    "batches": lambda months, sizes: [
        versus.measure_batches(months.available, sizes["baseline_batches"])
    ],
    "rating": lambda months, sizes: billing.measure_rating(
        {actions: months.of(actions) for actions in (sizes["month"], sizes["month"] * 10)},
        sizes["ratings"],
    ),
    "closing": lambda months, sizes: closing.measure(
        months.available, sizes["closed"], sizes["closes"], sizes["readings"]
    ),
    "report": lambda months, sizes: billing.measure_report(
        months.of(_MILLION), sizes["reports"], sizes["streams"]
    ),
    "console": lambda months, sizes: console_pages.measure(months.of(_MILLION), sizes["ratings"]),
    "standing": lambda months, sizes: standing.measure(
        months.available, sizes["month"], sizes["ratings"], sizes["customers"]
    ),
    "processor": lambda months, sizes: processor.measure(
        months.available, sizes["month"], sizes["posts"], sizes["batches"], sizes["reads"]
    ),
    "files": lambda months, sizes: files.measure(
        months.available, sizes["lines"], sizes["rows"], sizes["batches"]
    ),
    "reports": lambda months, sizes: versus.measure_reports(
        months.available,
        months.of(sizes["month"]),
        sizes["month"],
        sizes["baseline_months"],
        sizes["baseline_reports"],
    ),
}


def measure(months: Months, sizes: Sizes, parts: Sequence[str], console: Console) -> list[Finding]:
    """Measure these parts one after the other."""
    findings: list[Finding] = []
    for part in parts:
        load = os.getloadavg()[0]
        console.print(f"[bold blue]>[/] {part}, at a load of {load:.1f}")
        for finding in PARTS[part](months, sizes):
            findings.append(replace(finding, part=part, load=round(load, 1)))
            _, reached, target, _ = finding.cells
            console.print(f"  {finding.name}: {reached}, target {target}")
    return findings


def _write(file: Path, run: dict[str, Any], findings: list[Finding]) -> None:
    """Write the findings in the order of the parts, and keep those of parts that did not run."""
    measured_parts = {finding.part for finding in findings}
    before = map(Finding.read, _read(file).get("findings", []))
    kept = [finding for finding in before if finding.part not in measured_parts]
    ordered = sorted([*kept, *findings], key=lambda finding: list(PARTS).index(finding.part))
    document = run | {"findings": [finding.document() for finding in ordered]}
    file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _read(file: Path | None) -> dict[str, Any]:
    """The content of a file that an earlier run wrote; empty if there is none."""
    if file is None or not file.exists():
        return {}
    document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return document


def machine() -> dict[str, Any]:
    """The facts on which the findings depend; none of them identifies a machine."""
    return {
        "cores": os.cpu_count(),
        "architecture": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def table(findings: list[Finding]) -> Table:
    """The findings as a table for a terminal."""
    rows = Table(title="Speed, as ratios within one run", title_justify="left")
    rows.add_column("figure")
    rows.add_column("reached", justify="right")
    rows.add_column("target", justify="right")
    rows.add_column("")
    for finding in findings:
        *cells, verdict = finding.cells
        rows.add_row(*cells, verdict.replace("missed", "[red]missed[/]"))
    return rows


if __name__ == "__main__":
    main()
