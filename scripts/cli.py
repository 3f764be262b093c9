"""How a command ends: with the exit status that a shell expects, and without a traceback."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import OperationalError

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class CommandError(RuntimeError):
    """One sentence that tells the person at the terminal what went wrong."""


@contextmanager
def handle_exit() -> Iterator[None]:
    """Close every open context, then exit: 0 on SIGTERM or SIGHUP, 130 on Ctrl-C, 1 on an error."""
    for stop_signal in _STOP_SIGNALS:
        if signal.getsignal(stop_signal) is not signal.SIG_IGN:
            signal.signal(stop_signal, _stop)
    try:
        yield
    except CommandError as error:
        sys.exit(f"error: {error}")
    except OperationalError as error:
        sys.exit(f"error: the database does not answer: {str(error.orig).strip()}")
    except KeyboardInterrupt:
        sys.exit(130)


def _stop(_signal: int, _frame: object) -> None:
    for stop_signal in _STOP_SIGNALS:
        signal.signal(stop_signal, signal.SIG_IGN)
    sys.exit(0)
