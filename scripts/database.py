"""Which PostgreSQL a command works on: DATABASE_URL's, else the embedded one of a data directory.

Invariant: inside these contexts DATABASE_URL leads to a server that answers.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.embedded_postgres import EmbeddedPostgres

Say = Callable[[str], None]


@contextmanager
def owned_database(data_dir: Path, say: Say) -> Iterator[None]:
    """For the one process that serves; raises EmbeddedPostgresError when another one does."""
    if os.environ.get("DATABASE_URL"):
        say("Using the PostgreSQL of DATABASE_URL")
        yield
        return
    say(f"Starting PostgreSQL in {data_dir}")
    with EmbeddedPostgres(data_dir) as url:
        os.environ["DATABASE_URL"] = url
        try:
            yield
        finally:
            del os.environ["DATABASE_URL"]
            say("Stopping PostgreSQL")


@contextmanager
def shared_database(data_dir: Path, say: Say) -> Iterator[None]:
    """For a command that may run beside a server over the same directory."""
    running = EmbeddedPostgres(data_dir).running_url()
    if os.environ.get("DATABASE_URL") or running is None:
        with owned_database(data_dir, say):
            yield
        return
    say(f"Using the PostgreSQL that runs in {data_dir}")
    os.environ["DATABASE_URL"] = running
    try:
        yield
    finally:
        del os.environ["DATABASE_URL"]
