"""Property tests look at other examples each time where they have the time, and keep what fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.api import PROJECT
from tests.support.properties import examples

PROPERTY = """
from hypothesis import given, strategies as st
from tests.support import properties
from pathlib import Path

properties.KEPT = Path("kept")
seen = []

@properties.examples(20)
@given(st.integers(0, 10**9))
def test_property(number):
    seen.append(number)

@properties.examples(20)
@given(st.integers())
def test_failing(number):
    assert number < 1000

def test_tells():
    print("SEEN", seen)
"""


def seen(folder: Path, **environment: str) -> tuple[str, str]:
    """What a run of pytest says, and the examples that its property saw."""
    (folder / "test_it.py").write_text(PROPERTY)
    unset = ("CI", "HYPOTHESIS_EXAMPLES")
    kept = {name: value for name, value in os.environ.items() if name not in unset}
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-s", "-c", os.devnull, "--rootdir", folder, "test_it.py"],
        cwd=folder,
        env=kept | environment | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    (line,) = [line for line in ran.stdout.splitlines() if "SEEN" in line]
    return ran.stdout, line


def test_examples_are_the_same_at_the_desk_and_others_in_ci(tmp_path: Path) -> None:
    (_, first), (_, again) = seen(tmp_path), seen(tmp_path)
    (said, other), (_, another) = seen(tmp_path, CI="true"), seen(tmp_path, CI="true")

    assert first == again
    assert len({first, other, another}) == 3
    assert "@reproduce_failure(" in said
    assert list((tmp_path / "kept").rglob("*"))


def test_more_examples_are_looked_at_where_they_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HYPOTHESIS_EXAMPLES", "300")

    assert examples(9).max_examples == 300
    assert examples(400).max_examples == 400
