"""An answer that is made whole before its first byte is sent.

Invariant: whoever reads slowly holds a file of ours, and no connection to the database.
"""

from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from weakref import finalize

from common.database.waiting import current_deadline
from common.problems import AnswerTooLarge, ClientLeft

_IN_MEMORY_BYTES = 1024 * 1024  # what is larger waits in a file
_PIECE_BYTES = 64 * 1024


class Spooled(Iterator[bytes]):
    """The bytes of `pieces`, all of them made by now. Raises ClientLeft if nobody waits for them.

    Raises AnswerTooLarge as soon as there are more than `most_bytes`; the rest is not made.
    Its file is closed when it is read to the end, or when nobody holds it any more: an answer may
    never be sent, or not to its end.
    """

    def __init__(self, pieces: Iterator[bytes], most_bytes: int | None = None) -> None:
        self._file = SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115 - closed by `_close`
        self._close = finalize(self, self._file.close)
        deadline = current_deadline()
        size = 0
        for piece in pieces:
            if deadline is not None and deadline.is_left:
                raise ClientLeft("the client has closed the connection")
            size += len(piece)
            if most_bytes is not None and size > most_bytes:
                self._close()
                raise AnswerTooLarge(f"the answer has more than {most_bytes} bytes; ask for less")
            self._file.write(piece)
        self._file.seek(0)

    def __next__(self) -> bytes:
        if self._close.alive and (piece := self._file.read(_PIECE_BYTES)):
            return piece
        self._close()
        raise StopIteration
