"""Messages of the steps to the terminal, and their error."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


class StackError(Exception):
    """Why a step cannot continue, and the command that fixes it."""

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(cause)
        self.cause = cause
        self.remedy = remedy


def say(text: str) -> None:
    """Print one line of progress."""
    print(f"    {text}", flush=True)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Print the title of a step when it begins, and its duration when it is done."""
    print(f"==> {title}", flush=True)
    started = time.monotonic()
    yield
    print(f"    done in {time.monotonic() - started:.1f} s", flush=True)


def fail(error: StackError) -> int:
    """Print the cause and the remedy of an error, and return the exit code."""
    print(f"\nerror: {error.cause}\n  try: {error.remedy}", file=sys.stderr, flush=True)
    return 1
