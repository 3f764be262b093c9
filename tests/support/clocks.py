"""A clock for the database alone, which can be moved while it runs: libfaketime's.

It stands in what PostgreSQL's processes ask the time of, so `now()` and `clock_timestamp()` follow.
What measures how long something takes goes on as it is.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from scripts import embedded_postgres

_LIBRARY = "faketime/libfaketime.so.1"
_LOOKS_AGAIN_SECONDS = 1


class Clock:
    """The time that a database is told."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._file.write_text("+0", encoding="ascii")

    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(_library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": str(_LOOKS_AGAIN_SECONDS),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def move(self, seconds: float) -> None:
        """Ahead of the real time by so many seconds, or behind; returns once it is."""
        self._file.write_text(f"{seconds:+.0f}", encoding="ascii")
        time.sleep(_LOOKS_AGAIN_SECONDS + 1.2)  # it counts in whole seconds

    def set(self, moment: datetime) -> None:
        self.move((moment - datetime.now(UTC)).total_seconds())


@contextmanager
def database_clock() -> Iterator[Clock]:
    """A clock for the PostgreSQL that is started meanwhile."""
    if _library() is None:
        reason = "the database's clock was not moved: please install libfaketime"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    plain = embedded_postgres._environment
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        Path(folder).chmod(0o755)  # PostgreSQL may run as another account than the tests
        clock = Clock(Path(folder) / "clock")
        patch.setattr(embedded_postgres, "_environment", lambda: plain() | clock.environment())
        yield clock


def _library() -> Path | None:
    return next(iter(sorted(Path("/usr/lib").glob(f"*/{_LIBRARY}"))), None)
