"""Write docs/costs.md from the findings of a run: `python -m benchmarks.costs FILE`."""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.bill import ACTIONS, LEADS_PER_BATCH, Bill, Cost, Measured, bill
from benchmarks.measure import Finding
from benchmarks.prices import ASSUMPTIONS, INSTANCES, LIST_OF, PRICES, REGION
from scripts.doc_sections import replace_section

PAGE = Path(__file__).resolve().parent.parent / "docs" / "costs.md"
_READS = ("header", "lines", "list", "lead")
_PREFIX = "processor_"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.costs", description=__doc__)
    parser.add_argument("file", type=Path, help="the output of `python -m benchmarks --out FILE`")
    run = json.loads(parser.parse_args().file.read_text(encoding="utf-8"))
    PAGE.write_text(page(run), encoding="utf-8")


def page(run: Mapping[str, Any]) -> str:
    """The page with what it says of this run."""
    return replace_section(PAGE, "costs", "\n".join(_lines(run)))


def ways(findings: Mapping[str, Finding]) -> dict[str, Bill]:
    """The bill of each way of sending, by the words that name it."""
    costs = {
        name.removeprefix(_PREFIX): Cost.of(finding.details)
        for name, finding in findings.items()
        if name.startswith(_PREFIX)
    }
    details = {name: finding.details for name, finding in findings.items()}

    def way(request: str, leads: int, catch_up: str) -> Bill:
        return bill(
            Measured(
                costs[request],
                leads,
                costs[catch_up],
                details[f"{_PREFIX}{catch_up}"]["leads"],
                costs["close"],
                details[f"{_PREFIX}close"]["actions"],
                {name: costs[name] for name in _READS},
                findings["storage"].reached,
            )
        )

    return {
        "single leads": way("single", 1, "catch_up_singles"),
        f"batches of {LEADS_PER_BATCH:,}": way("batch", LEADS_PER_BATCH, "catch_up"),
    }


def _lines(run: Mapping[str, Any]) -> Iterator[str]:
    measured = map(Finding.read, run["findings"])
    findings = {finding.name: finding for finding in measured if finding.part == "processor"}
    if not findings:
        yield "The findings have no processor times yet: run both commands above."
        return
    yield "## Processor time"
    yield ""
    yield from _measured(findings)
    yield ""
    yield _machine(run, findings)
    bills = ways(findings)
    yield ""
    yield f"## A month of {ACTIONS:,} actions"
    yield ""
    yield from _summary(bills)
    for name, each in bills.items():
        yield ""
        yield f"### Sent as {name}"
        yield ""
        yield from _items(each)
    yield ""
    yield "## Prices and assumptions"
    yield ""
    yield from _prices()


def _measured(findings: Mapping[str, Finding]) -> Iterator[str]:
    yield "| work | function, ms | service, ms | database, ms | all, ms | 1,000 leads, ms | times |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for name, finding in findings.items():
        if not name.startswith(_PREFIX):
            continue
        details = finding.details
        sides = [details[f"{side}_ms"] for side in ("function", "service", "database")]
        leads = details.get("leads")
        per_thousand = f"{sum(sides) * 1000 / leads:,.1f}" if leads else ""
        cells = [f"{value:,.2f}" for value in (*sides, sum(sides))]
        title = finding.title.removeprefix("Processor time: ")
        yield f"| {title} | {' | '.join(cells)} | {per_thousand} | {details['rounds']:,} |"
    yield ""
    yield "| | reached | medians |"
    yield "|---|---:|---|"
    for finding in findings.values():
        if not finding.name.startswith(_PREFIX):
            title, reached, *_ = finding.cells
            medians = ", ".join(
                f"{key.removesuffix('_ms')} {value:,.2f} ms"
                for key, value in finding.details.items()
                if key.endswith("_ms")
            )
            yield f"| {title} | {reached} | {medians} |"


def _machine(run: Mapping[str, Any], findings: Mapping[str, Finding]) -> str:
    machine = run["machine"]
    load = next(iter(findings.values())).load
    return (
        f"{'Quick' if run['quick'] else 'Full'} size, on {machine['cores']} cores "
        f"({machine['architecture']}, {machine['system']}) at a load of {load}, "
        f"Python {machine['python']}, PostgreSQL {machine['postgresql']}."
    )


def _summary(bills: Mapping[str, Bill]) -> Iterator[str]:
    yield f"| | {' | '.join(bills)} |"
    yield f"|---|{'---:|' * len(bills)}"
    rows: dict[str, Callable[[Bill], float]] = {
        "processor time of the function, hours": lambda each: each.function_seconds / 3600,
        "processor time of the service, hours": lambda each: each.service_seconds / 3600,
        "processor time of the database, hours": lambda each: each.database_seconds / 3600,
        "vCPUs that the database needs": lambda each: each.vcpus_of_database,
        "**USD in the month**": lambda each: each.dollars,
        "USD for a million actions": lambda each: each.dollars / ACTIONS * 1_000_000,
    }
    for title, value in rows.items():
        yield f"| {title} | {' | '.join(f'{value(each):,.2f}' for each in bills.values())} |"


def _items(each: Bill) -> Iterator[str]:
    yield "| what | quantity | | price, USD | USD |"
    yield "|---|---:|---|---:|---:|"
    for item in each.items:
        cells = (f"{item.quantity:,.2f}", item.unit, _number(item.price), f"{item.dollars:,.2f}")
        yield f"| {item.text} | {' | '.join(cells)} |"
    yield f"| **all** | | | | **{each.dollars:,.2f}** |"


def _prices() -> Iterator[str]:
    yield (
        f"On-demand prices of {REGION}, meant to be the public list of {LIST_OF}. **They were "
        "written down without looking them up. Check them against AWS's price list before you "
        "rely on the bill.** They and the assumptions stand in `benchmarks/prices.py`."
    )
    yield ""
    yield "| price | |"
    yield "|---|---:|"
    for figure in PRICES.values():
        yield f"| {figure.text} | {_number(figure.value)} {figure.unit} |"
    for name, (vcpus, price) in INSTANCES.items():
        yield f"| RDS for PostgreSQL, one zone: {name}, {vcpus} vCPUs | {price:g} USD per hour |"
    yield ""
    yield "| assumption | |"
    yield "|---|---:|"
    for figure in ASSUMPTIONS.values():
        yield f"| {figure.text} | {f'{figure.value:,.10g} {figure.unit}'.strip()} |"


def _number(value: float) -> str:
    return f"{value:.10f}".rstrip("0").rstrip(".")


if __name__ == "__main__":
    main()
