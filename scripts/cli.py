"""How a command ends: with the status a shell expects, and words where a traceback is no help."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import OperationalError

_REQUESTS_TO_STOP = (signal.SIGTERM, signal.SIGHUP)


class CommandError(RuntimeError):
    """What went wrong, in one sentence for the person at the terminal."""


@contextmanager
def ending_as_a_command() -> Iterator[None]:
    """Unwind on a signal; end with 0 when asked to stop, 130 on Ctrl-C, 1 on a known error."""
    for request in _REQUESTS_TO_STOP:
        if signal.getsignal(request) is not signal.SIG_IGN:
            signal.signal(request, _leave)
    try:
        yield
    except CommandError as error:
        sys.exit(f"error: {error}")
    except OperationalError as error:
        sys.exit(f"error: the database does not answer: {str(error.orig).strip()}")
    except KeyboardInterrupt:
        sys.exit(130)


def _leave(_signal: int, _frame: object) -> None:
    for request in _REQUESTS_TO_STOP:
        signal.signal(request, signal.SIG_IGN)
    sys.exit(0)
