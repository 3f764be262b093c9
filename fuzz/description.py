"""Run Schemathesis on the OpenAPI description: valid and invalid requests, and sequences."""

import subprocess
import sys
from pathlib import Path

_CONFIGURATION = Path(__file__).resolve().with_name("schemathesis.toml")
_RESULTS = Path(".data/fuzz")  # the failures, for `schemathesis replay`
MAX_ANSWER_SECONDS = 10


def fuzz_description(address: str, seconds: int, seed: int) -> bool:
    """Whether every answer matches the description. Prints the answers that do not."""
    command = Path(sys.executable).absolute().with_name("schemathesis")
    arguments: list[object] = ["--config-file", _CONFIGURATION, "run", f"{address}/openapi.json"]
    arguments += ["--max-time", seconds, "--seed", seed]
    arguments += ["--max-response-time", MAX_ANSWER_SECONDS, "--request-timeout", 60]
    arguments += ["--warnings", "off", "--no-color"]
    _RESULTS.mkdir(parents=True, exist_ok=True)
    run = subprocess.run([command, *map(str, arguments)], cwd=_RESULTS, check=False)
    return run.returncode == 0
