"""Write the findings of a run into docs/performance.md: `python -m benchmarks.document FILE`."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.measure import Finding
from scripts.doc_sections import replace_section

_PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance.md"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.document", description=__doc__)
    parser.add_argument("file", type=Path, help="the output of `python -m benchmarks --out FILE`")
    run = json.loads(parser.parse_args().file.read_text(encoding="utf-8"))
    page = replace_section(_PAGE, "findings", "\n".join(_lines(run)))
    _PAGE.write_text(page, encoding="utf-8")


def _lines(run: dict[str, Any]) -> Iterator[str]:
    yield "| figure | reached | target | | load | medians |"
    yield "|---|---:|---:|---|---:|---|"
    for finding in map(Finding.read, run["findings"]):
        medians = ", ".join(
            f"{name.removesuffix('_ms').replace('_', ' ')} {value:,.1f} ms"
            for name, value in finding.details.items()
            if name.endswith("_ms")
        )
        load = "" if finding.load is None else f"{finding.load:.1f}"
        cells = [*finding.cells, load, medians]
        yield f"| {' | '.join(cells)} |".replace("| missed |", "| **missed** |")
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
