"""Processor time as the benchmarks read it: of a process with its children, also ended ones."""

import os
import subprocess
import sys

import pytest

from benchmarks.servers import processor_seconds

BURN = "import time\nwhile time.process_time() < 0.3: pass\n"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_child_that_has_ended_is_counted() -> None:
    before = processor_seconds(os.getpid())

    subprocess.run([sys.executable, "-c", BURN], check=True)

    assert processor_seconds(os.getpid()) - before >= 0.28


def test_child_that_runs_is_counted() -> None:
    before = processor_seconds(os.getpid())
    code = BURN + "print('done', flush=True)\ninput()\n"

    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdin
        assert child.stdout
        child.stdout.readline()
        used = processor_seconds(os.getpid()) - before
        child.stdin.write(b"\n")

    assert used >= 0.28
