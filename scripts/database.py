"""The PostgreSQL that a command uses: DATABASE_URL, or the embedded one of a data directory.

Invariant: inside these contexts, DATABASE_URL is the URL of a running server.
"""

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from common.database.engine import forget_engines, get_engine
from common.settings import settings
from scripts.cli import CommandError
from scripts.embedded_postgres import EmbeddedPostgres
from services.reports.http.admission import HEAVY_AT_ONCE
from services.reports.worker import CONNECTIONS_PER_STEP, STEPS

Say = Callable[[str], None]

# A worker has three pools: the service's, and the function's for keys and for leads. Each may grow
# to twice its size. Heavy requests and the steps of the background worker have one more each, of a
# fixed size.
_CONNECTIONS_PER_POOL_SIZE = 6
_CONNECTIONS_OF_STEPS = CONNECTIONS_PER_STEP * len(STEPS)
_CONNECTIONS_OF_OWN_POOLS = _CONNECTIONS_OF_STEPS + HEAVY_AT_ONCE
# For commands that run beside the server, such as `make close-due`.
_CONNECTIONS_OF_OTHERS = 10
_CONNECTIONS_ALLOWED = text(
    "select current_setting('max_connections')::int"
    " - current_setting('superuser_reserved_connections')::int"
)


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
    with EmbeddedPostgres(data_dir) as url, _database_url(url):
        try:
            yield
        finally:
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
    with _database_url(running_url):
        yield


@contextmanager
def _database_url(url: str) -> Iterator[None]:
    os.environ["DATABASE_URL"] = url
    try:
        yield
    finally:
        del os.environ["DATABASE_URL"]


@contextmanager
def shared_connections(wanted: int | None, default: int) -> Iterator[int]:
    """How many workers to start, and DATABASE_POOL_SIZE for them, until the context ends.

    All pools together never need more connections than the database allows. Leaves no connection
    of this process open. Raises CommandError if `wanted` workers are too many for the database.
    """
    with get_engine().connect() as connection:
        allowed = connection.scalar(_CONNECTIONS_ALLOWED) or 0
    forget_engines()
    to_share = allowed - _CONNECTIONS_OF_OTHERS
    most = to_share // (_CONNECTIONS_PER_POOL_SIZE + _CONNECTIONS_OF_OWN_POOLS)
    workers = wanted or max(1, min(default, most))
    if workers > most:
        raise CommandError(
            f"the database allows {allowed} connections, which is enough for {most} workers: "
            f"set WORKERS={most} or less, or raise its max_connections."
        )
    before = os.environ.get("DATABASE_POOL_SIZE")
    pool_size = (to_share // workers - _CONNECTIONS_OF_OWN_POOLS) // _CONNECTIONS_PER_POOL_SIZE
    os.environ["DATABASE_POOL_SIZE"] = str(min(settings().database_pool_size, pool_size))
    settings.cache_clear()
    try:
        yield workers
    finally:
        del os.environ["DATABASE_POOL_SIZE"]
        if before is not None:
            os.environ["DATABASE_POOL_SIZE"] = before
