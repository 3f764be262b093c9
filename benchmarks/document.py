"""Writes a run's findings into docs/performance.md: `python -m benchmarks.document FILE`."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.measure import Finding, wanted

_PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance.md"
_BEGIN, _END = "<!-- findings: begin -->\n", "<!-- findings: end -->\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.document", description=__doc__)
    parser.add_argument("file", type=Path, help="what `python -m benchmarks --out FILE` wrote")
    run = json.loads(parser.parse_args().file.read_text(encoding="utf-8"))
    page = _PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    text = "".join(f"{line}\n" for line in _lines(run))
    _PAGE.write_text(f"{before}{_BEGIN}{text}{_END}{after}", encoding="utf-8")


def _lines(run: dict[str, Any]) -> Iterator[str]:
    yield "| what | reached | wanted | | load | medians |"
    yield "|---|---:|---:|---|---:|---|"
    for finding in map(Finding.read, run["findings"]):
        verdict = "" if finding.wanted is None else "**short**" if finding.is_short else "ok"
        reached = f"{finding.reached:.2f}{finding.unit}"
        medians = ", ".join(
            f"{name.removesuffix('_ms').replace('_', ' ')} {value:,.1f} ms"
            for name, value in finding.details.items()
            if name.endswith("_ms")
        )
        load = "" if finding.load is None else f"{finding.load:.1f}"
        target = wanted(finding)
        yield f"| {finding.what} | {reached} | {target} | {verdict} | {load} | {medians} |"
    machine = run["machine"]
    settings = ", ".join(
        f"{name} {value}" for name, value in machine["postgresql_settings"].items()
    )
    yield ""
    yield (
        f"{'Quick' if run['quick'] else 'Full'} size, on {machine['cores']} cores "
        f"({machine['architecture']}, {machine['system']}), Python {machine['python']}, "
        f"PostgreSQL {machine['postgresql']} ({settings}). Load: the average before that part "
        "was measured; a busy machine is above 0."
    )


if __name__ == "__main__":
    main()
