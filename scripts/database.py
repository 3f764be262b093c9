"""The PostgreSQL that a command uses: DATABASE_URL, or the embedded one of a data directory.

Invariant: inside these contexts, DATABASE_URL is the URL of a running server.
"""

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.embedded_postgres import EmbeddedPostgres

Say = Callable[[str], None]


def add_data_dir_argument(parser: argparse.ArgumentParser, default: str = ".data/run") -> None:
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=Path(default),
        help="directory of the embedded PostgreSQL (%(default)s)",
    )


@contextmanager
def owned_database(data_dir: Path, say: Say) -> Iterator[None]:
    """For the process that serves. Raises EmbeddedPostgresError when another process does."""
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
    """For a command that may run beside a server that uses the same directory."""
    running_url = EmbeddedPostgres(data_dir).running_url()
    if os.environ.get("DATABASE_URL") or running_url is None:
        with owned_database(data_dir, say):
            yield
        return
    say(f"Using the running PostgreSQL of {data_dir}")
    os.environ["DATABASE_URL"] = running_url
    try:
        yield
    finally:
        del os.environ["DATABASE_URL"]
