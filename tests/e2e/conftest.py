"""One stack for all of these tests: up before the first, down after the last."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from scripts.stack.settings import ROOT, Stack
from scripts.stack.settings import stack as described

# Not the port of a stack that somebody is using.
os.environ.setdefault("GATEWAY_PORT", "4577")


@dataclass(frozen=True)
class Ran:
    """A step that ended."""

    code: int
    said: str


def step(*names: str, **environment: str) -> Ran:
    """Run steps as `make` does."""
    done = subprocess.run(
        [sys.executable, "-m", "scripts.stack", *names],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Ran(done.returncode, done.stdout)


@pytest.fixture(scope="session")
def up() -> Iterator[Ran]:
    """What `make up` said. An emulator that was too slow once is started anew, once."""
    step("down")
    ran = step("up")
    if ran.code != 0:
        print(ran.said)  # noqa: T201 - what went wrong the first time
        step("down")
        ran = step("up")
    try:
        assert ran.code == 0, ran.said
        yield ran
    finally:
        step("down")


@pytest.fixture
def stack(up: Ran) -> Stack:
    """The running stack."""
    return described()
