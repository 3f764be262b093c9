"""What the steps say to the person who started them, and how they fail."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


class StackError(Exception):
    """A step that cannot go on: what is wrong, and the command that mends it."""

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(cause)
        self.cause = cause
        self.remedy = remedy


def say(text: str) -> None:
    """One line of progress."""
    print(f"    {text}", flush=True)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Name a step when it begins and its time when it is done."""
    print(f"==> {title}", flush=True)
    started = time.monotonic()
    yield
    print(f"    done in {time.monotonic() - started:.1f} s", flush=True)


def fail(error: StackError) -> int:
    """Print an error's two lines; the exit code."""
    print(f"\nerror: {error.cause}\n  try: {error.remedy}", file=sys.stderr, flush=True)
    return 1
