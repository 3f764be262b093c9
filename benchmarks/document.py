"""Write the findings of a run into docs/performance.md: `python -m benchmarks.document FILE`."""

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.measure import Finding, target_text

_PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance.md"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.document", description=__doc__)
    parser.add_argument("file", type=Path, help="the output of `python -m benchmarks --out FILE`")
    run = json.loads(parser.parse_args().file.read_text(encoding="utf-8"))
    replace_section(_PAGE, "findings", _lines(run))


def replace_section(page: Path, name: str, lines: Iterable[str]) -> None:
    """Write `lines` between the two markers of this name."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    text = "".join(f"{line}\n" for line in lines)
    page.write_text(f"{before}{begin}{text}{end}{after}", encoding="utf-8")


def _lines(run: dict[str, Any]) -> Iterator[str]:
    yield "| figure | reached | target | | load | medians |"
    yield "|---|---:|---:|---|---:|---|"
    for finding in map(Finding.read, run["findings"]):
        verdict = finding.verdict.replace("missed", "**missed**")
        reached = f"{finding.reached:.2f}{finding.unit}"
        medians = ", ".join(
            f"{name.removesuffix('_ms').replace('_', ' ')} {value:,.1f} ms"
            for name, value in finding.details.items()
            if name.endswith("_ms")
        )
        load = "" if finding.load is None else f"{finding.load:.1f}"
        target = target_text(finding)
        yield f"| {finding.title} | {reached} | {target} | {verdict} | {load} | {medians} |"
    machine = run["machine"]
    settings = ", ".join(
        f"{name} {value}" for name, value in machine["postgresql_settings"].items()
    )
    yield ""
    yield (
        f"{'Quick' if run['quick'] else 'Full'} size, on {machine['cores']} cores "
        f"({machine['architecture']}, {machine['system']}), Python {machine['python']}, "
        f"PostgreSQL {machine['postgresql']} ({settings}). Load: the machine's load average before "
        "the part; 0 is an idle machine."
    )


if __name__ == "__main__":
    main()
