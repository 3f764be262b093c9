"""Measures the product and tells what it reached (`make bench`).

Everything runs on one embedded PostgreSQL with the durable settings of `make run`.
"""

import argparse
import json
import os
import platform
import sys
import time
from dataclasses import dataclass
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
    parser.add_argument("--strict", action="store_true", help="end with 1 when a target is missed")
    arguments = parser.parse_args()
    console = Console()
    began = time.monotonic()
    with databases() as available:
        facts = machine() | server_facts(available)
        findings = measured(available, QUICK if arguments.quick else FULL, console)
    document = {
        "quick": arguments.quick,
        "seconds": round(time.monotonic() - began),
        "machine": facts,
        "findings": [finding.document() for finding in findings],
    }
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    console.print(table(findings))
    short = [finding for finding in findings if finding.is_short]
    for finding in short:
        console.print(f"[bold red]short[/] {finding.what}")
    if short and arguments.strict:
        sys.exit(1)


def measured(available: Databases, sizes: Sizes, console: Console) -> list[Finding]:
    """Every finding, each measured while nothing else of ours runs."""
    findings: list[Finding] = []

    def say(step: str) -> None:
        console.print(f"[bold blue]>[/] {step}")

    def tell(*found: Finding) -> None:
        findings.extend(found)
        for finding in found:
            say(f"  {finding.name}: {finding.reached:.2f}{finding.unit}, wanted {wanted(finding)}")

    say("Taking leads in")
    tell(*ingest.measure(available, sizes.batches, sizes.singles))
    say("Taking leads in, against the baseline")
    tell(versus.measure_batches(available, sizes.baseline_batches))
    months = {}
    for actions in (sizes.month, sizes.month * 10):
        say(f"Storing a month of {actions:,} actions")
        months[actions] = billing.stored_month(available, actions)
    say("Deciding both months")
    tell(*billing.measure_deciding(months, sizes.decided))
    say("Closing a month, and reading what is final")
    tell(*closing.measure(available, sizes.closed, sizes.closes, sizes.readings))
    say("Reporting over HTTP")
    tell(*billing.measure_report(months[_MILLION], sizes.reports, sizes.streams))
    say("The console's pages")
    tell(*console_pages.measure(months[_MILLION], sizes.decided))
    say("Reporting, against the baseline")
    tell(
        *versus.measure_reports(
            available,
            months[sizes.month],
            sizes.month,
            sizes.baseline_months,
            sizes.baseline_reports,
        )
    )
    return findings


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
