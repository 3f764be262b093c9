"""An answer's file is closed however the answer ends (services/reports/http/spooled.py)."""

import gc
from collections.abc import Iterator

import pytest

from services.reports.http.spooled import Spooled

LARGE = [b"x" * 600_000, b"y" * 600_000]  # more than waits in memory


@pytest.mark.parametrize("pieces", [[], [b"a", b"b"], LARGE], ids=["none", "small", "large"])
def test_bytes_are_those_of_the_pieces(pieces: list[bytes]) -> None:
    spooled = Spooled(iter(pieces))

    assert b"".join(spooled) == b"".join(pieces)
    assert list(spooled) == []


def test_file_is_closed_at_the_end() -> None:
    spooled = Spooled(iter(LARGE))
    list(spooled)

    assert spooled._file.closed


@pytest.mark.parametrize("read", [0, 1], ids=["never sent", "sent in part"])
def test_file_of_an_answer_in_a_cycle_is_closed(read: int) -> None:
    """As when an exception's traceback holds the answer: the collector picks any order."""
    cycle: list[object] = []
    spooled = Spooled(iter(LARGE))
    file = spooled._file
    for _ in range(read):
        next(spooled)
    cycle.extend([cycle, spooled])
    del spooled, cycle
    gc.collect()

    assert file.closed


def test_file_of_pieces_that_fail_is_closed(recwarn: pytest.WarningsRecorder) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"a"
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        Spooled(pieces())
    gc.collect()

    assert not recwarn.list
