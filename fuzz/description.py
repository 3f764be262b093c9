"""Schemathesis over the OpenAPI description: valid, invalid, and one call after another."""

import subprocess
import sys
from pathlib import Path

_CONFIGURATION = Path(__file__).resolve().with_name("schemathesis.toml")
_KEPT = Path(".data/fuzz")  # what it found, for `schemathesis replay`
MAX_ANSWER_SECONDS = 10


def fuzz_description(address: str, seconds: int, seed: int) -> bool:
    """Whether every answer keeps to what the description says; prints what does not."""
    command = Path(sys.executable).absolute().with_name("schemathesis")
    arguments: list[object] = ["--config-file", _CONFIGURATION, "run", f"{address}/openapi.json"]
    arguments += ["--max-time", seconds, "--seed", seed]
    arguments += ["--max-response-time", MAX_ANSWER_SECONDS, "--request-timeout", 60]
    arguments += ["--warnings", "off", "--no-color"]
    _KEPT.mkdir(parents=True, exist_ok=True)
    run = subprocess.run([command, *map(str, arguments)], cwd=_KEPT, check=False)
    return run.returncode == 0
