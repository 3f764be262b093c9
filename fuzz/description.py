"""Run Schemathesis on the OpenAPI description: valid and invalid requests, and sequences."""

import json
import subprocess
import sys
from pathlib import Path

_CONFIGURATION = Path(__file__).resolve().with_name("schemathesis.toml")
_RESULTS = Path(".data/fuzz")  # the failures, for `schemathesis replay`
_REPORT = "report.json"
MAX_ANSWER_SECONDS = 10


def fuzz_description(address: str, seconds: int, seed: int) -> tuple[bool, int]:
    """Whether every answer matches the description, and how many requests were tried.

    Prints the answers that do not. A run that ends before its first request succeeds.
    """
    command = Path(sys.executable).absolute().with_name("schemathesis")
    arguments: list[object] = ["--config-file", _CONFIGURATION, "run", f"{address}/openapi.json"]
    arguments += ["--max-time", seconds, "--seed", seed]
    arguments += ["--max-response-time", MAX_ANSWER_SECONDS, "--request-timeout", 60]
    arguments += ["--warnings", "off", "--no-color", "--report-json-path", _REPORT]
    _RESULTS.mkdir(parents=True, exist_ok=True)
    (_RESULTS / _REPORT).unlink(missing_ok=True)
    run = subprocess.run([command, *map(str, arguments)], cwd=_RESULTS, check=False)
    return run.returncode == 0, _cases(_RESULTS / _REPORT)


def _cases(report: Path) -> int:
    try:
        return int(json.loads(report.read_text(encoding="utf-8"))["test_cases"]["generated"])
    except FileNotFoundError:
        return 0
