"""What the tests stand on: a PostgreSQL per test process, and in it a fresh database per test.

Invariant: no test sees another's rows, and none reaches beyond this machine.
"""

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Connection, Engine, NullPool, create_engine, make_url

from common.access.authentication import authenticator
from common.database.engine import forget_engines
from common.settings import settings
from scripts.embedded_postgres import EmbeddedPostgres
from scripts.local_server import address_of, listen_on, load_gateway
from scripts.migrate import upgrade_schema
from tests.support.clients import client_of
from tests.support.compiled_once import share_compiled_statements
from tests.support.processes import is_running
from tests.support.serving import serve_in_thread
from tests.support.states import InState

# Their assertions say what differs, as those of tests do.
_WITH_ASSERTIONS = ("api", "closing", "disputes", "pages", "rate_cards", "tampering", "worlds")
pytest.register_assert_rewrite(
    "tests.spec.billing", *(f"tests.support.{name}" for name in _WITH_ASSERTIONS)
)

# Before anything of ours is imported: settings are read once, Powertools reads them at import.
for name in [name for name in os.environ if name.startswith(("DATABASE_", "PG"))]:
    del os.environ[name]
os.environ.update(
    OPEN_ACCESS="true",
    CATCH_UP_SECONDS="0",  # a test catches up when it says so
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


share_compiled_statements()

# Where files are held in memory: a test's database is 330 files, made and removed again, which
# took most of the tests' system time on a disk.
_MEMORY = Path("/dev/shm")  # noqa: S108
_ENOUGH_MEMORY_BYTES = 4 * 1024**3


def pytest_unconfigure() -> None:
    """Close the socket that the X-Ray SDK opened, or Python warns of it."""
    from aws_xray_sdk.core import xray_recorder  # noqa: PLC0415 (loaded by then, where it is)

    xray_recorder.emitter._socket.close()


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
        _make_ready(engine)
        yield engine
        engine.dispose()


def _make_ready(server: Engine) -> None:
    """Make passwords quick to check, as thousands of connections are made, and end what hangs.

    The limit of a statement is shorter than that of a test, whose signal does not reach a driver
    that waits for a lock.
    """
    with server.connect() as connection:
        connection.exec_driver_sql("alter system set scram_iterations = 1")
        connection.exec_driver_sql("alter system set statement_timeout = '240s'")
        connection.exec_driver_sql("select pg_reload_conf()")
    server.dispose()  # a session of later than the reload
    with server.connect() as connection:
        assert connection.exec_driver_sql("show scram_iterations").scalar() == "1"
        connection.exec_driver_sql(f"alter role postgres password '{server.url.password}'")
    server.dispose()


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


# Databases that nothing uses any more. To drop one at once waits a tenth of a second for the
# sessions that are just ending, so the next copies do it.
_to_drop: list[str] = []


@contextmanager
def copy_of(template: str, server: Engine) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    with server.connect() as connection:
        while len(_to_drop) > 1:
            connection.exec_driver_sql(f"drop database {_to_drop.pop(0)} with (force)")
        connection.exec_driver_sql(f"create database {name} template {template} strategy file_copy")
    yield server.url.set(database=name).render_as_string(hide_password=False)
    _to_drop.append(name)


@pytest.fixture
def database_url(server: Engine, template: str) -> Iterator[str]:
    """A fresh migrated database for a test that commits; dropped after it."""
    with copy_of(template, server) as url:
        yield url


@pytest.fixture
def empty_database_url(server: Engine) -> Iterator[str]:
    """A fresh database without a schema, for tests of the migrations."""
    with copy_of("template1", server) as url:
        yield url


# The states that databases are brought into for many tests, each with the template that holds it.
_states: dict[str, str] = {}


@pytest.fixture
def in_state(server: Engine, database_url: str) -> InState:
    """Brings the test's fresh database into a state: the first time by `make`, then by a copy.

    `make` leaves no connection of its own open. The state's name says all that it depends on.
    """
    name = make_url(database_url).database

    def copy(source: str | None, target: str | None) -> None:
        forget_engines()
        with server.connect() as connection:
            connection.exec_driver_sql(
                f"create database {target} template {source} strategy file_copy"
            )

    def bring(state: str, make: Callable[[], object]) -> None:
        if state in _states:
            with server.connect() as connection:
                connection.exec_driver_sql(f"drop database {name} with (force)")
            copy(_states[state], name)
        else:
            make()
            template = f"state_{len(_states)}"
            copy(name, template)
            _states[state] = template

    return bring


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on the test's fresh database."""
    engine = create_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def _unchanged_database(server: Engine, template: str) -> Iterator[Engine]:
    with copy_of(template, server) as url:
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


@contextmanager
def led_to(database_url: str, patched: pytest.MonkeyPatch) -> Iterator[None]:
    """Has this process's settings and engine lead to a database."""

    def forget() -> None:
        forget_engines()
        settings.cache_clear()
        authenticator.cache_clear()

    patched.setenv("DATABASE_URL", database_url)
    forget()
    yield
    forget()


@pytest.fixture
def configured_database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A fresh database that this process's settings and engine lead to during the test."""
    with led_to(database_url, monkeypatch):
        yield database_url


@pytest.fixture
def gateway(gateway_address: str, configured_database: str) -> Iterator[httpx.Client]:
    """A client of the whole API, over HTTP and the local gateway, with a fresh database."""
    with client_of(gateway_address) as client:
        yield client
