"""A run of `make fuzz` that tried nothing is told from one that found nothing."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fuzz import description
from fuzz.description import fuzz_description


@pytest.mark.parametrize(("generated", "cases"), [(None, 0), (0, 0), (9, 9)])
def test_cases_of_a_run_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, generated: int | None, cases: int
) -> None:
    monkeypatch.setattr(description, "_RESULTS", tmp_path)
    left = tmp_path / "report.json"
    left.write_text(json.dumps({"test_cases": {"generated": 77}}))  # of the run before

    def run(command: list[str], cwd: Path, **_: Any) -> subprocess.CompletedProcess[str]:
        assert "--report-json-path" in command
        if generated is not None:
            (cwd / "report.json").write_text(json.dumps({"test_cases": {"generated": generated}}))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)

    assert fuzz_description("http://127.0.0.1:1", 1, 1) == (True, cases)
