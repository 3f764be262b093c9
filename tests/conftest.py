"""What the tests stand on: a PostgreSQL per test process, and in it a fresh database per test.

Invariant: no test sees another's rows, and none reaches beyond this machine.
"""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Connection, Engine, NullPool, create_engine

from common.access.authentication import authenticator
from common.database.engine import get_engine
from common.database.grants import FUNCTION, SERVICE
from common.settings import settings
from scripts.embedded_postgres import EmbeddedPostgres
from scripts.local_server import address_of, listen_on, load_gateway, serve_in_thread
from scripts.migrate import upgrade_schema
from tests.support.clients import client_of
from tests.support.processes import is_running

# Their assertions say what differs, as those of tests do.
pytest.register_assert_rewrite("tests.support.api", "tests.support.tampering", "tests.spec.billing")

# Before anything of ours is imported: settings are read once, Powertools reads them at import.
for name in [name for name in os.environ if name.startswith(("DATABASE_", "PG"))]:
    del os.environ[name]
os.environ.update(
    OPEN_ACCESS="true",
    USER_HASH_KEY="tests-only-key-of-at-least-32-characters",
    POWERTOOLS_SERVICE_NAME="lead-billing-ingest",
    POWERTOOLS_METRICS_NAMESPACE="LeadBilling",
    POWERTOOLS_TRACE_DISABLED="true",
    AWS_DEFAULT_REGION="us-east-1",
    AWS_REGION="us-east-1",
    AWS_ACCESS_KEY_ID="testing",
    AWS_SECRET_ACCESS_KEY="testing",
    AWS_SESSION_TOKEN="testing",
    AWS_EC2_METADATA_DISABLED="true",
)


# Where files are held in memory: a test's database is 330 files, made and removed again, which
# took most of the tests' system time on a disk.
_MEMORY = Path("/dev/shm")  # noqa: S108
_ENOUGH_MEMORY_BYTES = 4 * 1024**3


@pytest.fixture(scope="session")
def server_dir() -> Iterator[Path]:
    """Where this test process's PostgreSQL keeps its files."""
    prefix = "lead-billing-tests-"
    parent = _roomy_memory()
    for left in parent.glob(f"{prefix}*") if parent else ():
        if not is_running(int(left.name.split("-")[3])):  # it was killed, and memory is dear
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{prefix}{os.getpid()}-", dir=parent) as name:
        yield Path(name)


@pytest.fixture(scope="session")
def server(server_dir: Path) -> Iterator[Engine]:
    """The superuser's engine of this test process's PostgreSQL; every statement is on its own."""
    with EmbeddedPostgres(server_dir, durable=False) as url:
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        yield engine
        engine.dispose()


def _roomy_memory() -> Path | None:
    """Where files are held in memory, if there is room for the servers of a few test processes."""
    is_roomy = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ENOUGH_MEMORY_BYTES
    return _MEMORY if is_roomy else None


@pytest.fixture(scope="session")
def template(server: Engine) -> str:
    """The name of a migrated database that is only ever copied."""
    name = "template_lead_billing"
    with server.connect() as connection:
        connection.exec_driver_sql(f"create database {name}")
    migrating = create_engine(server.url.set(database=name), poolclass=NullPool)
    with migrating.connect() as connection:
        upgrade_schema(connection)
    return name


@contextmanager
def _copy_of(template: str, server: Engine) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    with server.connect() as connection:
        connection.exec_driver_sql(f"create database {name} template {template} strategy file_copy")
    yield server.url.set(database=name).render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.exec_driver_sql(f"drop database {name} with (force)")


@pytest.fixture
def database_url(server: Engine, template: str) -> Iterator[str]:
    """A fresh migrated database for a test that commits; dropped after it."""
    with _copy_of(template, server) as url:
        yield url


@pytest.fixture
def empty_database_url(server: Engine) -> Iterator[str]:
    """A fresh database without a schema, for tests of the migrations."""
    with _copy_of("template1", server) as url:
        yield url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on the test's fresh database."""
    engine = create_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def _unchanged_database(server: Engine, template: str) -> Iterator[Engine]:
    with _copy_of(template, server) as url:
        engine = create_engine(url)
        yield engine
        engine.dispose()


@pytest.fixture
def connection(_unchanged_database: Engine) -> Iterator[Connection]:
    """A connection whose transaction is rolled back: quicker than a database, for tests that
    never commit."""
    with _unchanged_database.connect() as connection, connection.begin() as transaction:
        yield connection
        transaction.rollback()


@pytest.fixture(scope="session")
def gateway_address() -> Iterator[str]:
    with listen_on("127.0.0.1", 0) as listener, serve_in_thread(load_gateway(), listener):
        yield address_of(listener)


@pytest.fixture
def configured_database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A fresh database that this process's settings and engine lead to during the test."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    settings.cache_clear()
    authenticator.cache_clear()
    get_engine.cache_clear()
    yield database_url
    for engine in (get_engine(), get_engine(FUNCTION), get_engine(SERVICE)):
        engine.dispose()
    settings.cache_clear()
    authenticator.cache_clear()
    get_engine.cache_clear()


@pytest.fixture
def gateway(gateway_address: str, configured_database: str) -> Iterator[httpx.Client]:
    """A client of the whole API, over HTTP and the local gateway, with a fresh database."""
    with client_of(gateway_address) as client:
        yield client
