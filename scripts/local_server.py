"""The whole API on this machine: PostgreSQL, and workers with gateway, function and service each.

Invariant: this process stops everything that it starts, unless SIGKILL ends it.
"""

import argparse
import logging
import os
import secrets
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from functools import partial
from ipaddress import ip_address
from pathlib import Path

from common.access.api_keys import create_key, has_admin
from common.database.deployment import require_known_hash_key
from common.database.grants import FUNCTION, SERVICE
from common.database.transactions import acting_as, transaction
from common.enums import Role
from common.imports.inbox import make_inbox
from common.proof.signing import make_key_file
from common.settings import settings
from scripts.api_client import ADMIN_KEY, SERVER_URL
from scripts.cli import CommandError, handle_exit
from scripts.database import Say, add_data_dir_argument, owned_database, shared_connections
from scripts.gateway import LocalGateway
from scripts.migrate import upgrade_configured_database
from scripts.workers import Workers, add_workers_argument, cores, serving

DEFAULT_PORT = 8080
_FALSE = {"", "0", "false", "no", "off", "f", "n"}


class PortTakenError(CommandError):
    """Another process listens on the port."""


@contextmanager
def local_api(
    listener: socket.socket,
    data_dir: Path,
    say: Say,
    workers: int | None = None,
    *,
    is_open: bool = False,
) -> Iterator[Workers]:
    """Serve the API on `listener` until the context ends, with a worker per core by default.

    Sets DATABASE_URL and USER_HASH_KEY if the environment lacks them: call it before anything
    reads the settings. With `is_open`, and without OPEN_ACCESS in the environment, callers need no
    key if only this machine reaches the listener. If callers need a key and no admin key exists,
    creates one and keeps it in ADMIN_KEY of `data_dir`. Raises EmbeddedPostgresError, and
    CommandError if other machines could call the API without a key or if USER_HASH_KEY is not the
    key of the database.
    """
    with _access_of(listener, is_open), owned_database(data_dir, say):
        if not os.environ.get("USER_HASH_KEY"):
            os.environ["USER_HASH_KEY"] = load_or_create_key(data_dir / "user_hash_key")
        os.environ.setdefault("POWERTOOLS_LOG_LEVEL", "WARNING")
        os.environ.setdefault("BACKGROUND_WORK", "true")
        os.environ.setdefault("FILE_STORE_DIR", str((data_dir / "files").resolve()))
        inbox = (data_dir / "inbox").resolve()
        make_inbox(Path(os.environ.setdefault("INBOX_DIR", str(inbox))))
        os.environ.setdefault("MAIL_TRANSPORT", "folder")
        os.environ.setdefault("MAIL_FOLDER", str(data_dir / "mail"))
        signing_key = Path(
            os.environ.setdefault("SIGNING_KEY_FILE", str((data_dir / "signing_key.pem").resolve()))
        )
        if not signing_key.exists():
            make_key_file(signing_key)
        os.environ.setdefault("HEADS_DIR", str((data_dir / "heads").resolve()))
        say("Bringing the schema up to date")
        upgrade_configured_database()
        _require_hash_key(data_dir)
        _require_admin_key(data_dir / ADMIN_KEY)
        with (
            shared_connections(workers, cores()) as count,
            _shared_counts(),
            serving(load_gateway(), listener, count) as started,
            _announced(data_dir / SERVER_URL, own_address_of(listener)),
        ):
            yield started


@contextmanager
def _shared_counts() -> Iterator[None]:
    """Has Prometheus's client, which reads this on import, share the counts of all workers."""
    with tempfile.TemporaryDirectory() as directory:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = directory
        try:
            yield
        finally:
            del os.environ["PROMETHEUS_MULTIPROC_DIR"]


def load_gateway() -> LocalGateway:
    """The gateway in front of the deployed handler and app. Both read the settings on import."""
    # Loggers keep the stream that is current when these imports create them.
    with redirect_stdout(sys.stderr):
        from aws_lambda_powertools.logging.filters import SuppressFilter  # noqa: PLC0415

        from functions.ingest.handler import handler, logger  # noqa: PLC0415
        from services.reports.app import app  # noqa: PLC0415
        from services.reports.http.request_logging import log_as_json  # noqa: PLC0415
    if not logging.getLogger().handlers:
        log_as_json(logging.WARNING, sys.stderr)
        logging.getLogger().handlers[0].addFilter(SuppressFilter(logger.name))  # it has a handler
    return LocalGateway(handler, app, FUNCTION, SERVICE)


@contextmanager
def _access_of(listener: socket.socket, is_open: bool) -> Iterator[None]:
    """Require keys as OPEN_ACCESS says; else none if `is_open` and only this machine calls.

    Then webhooks may lead to this machine, too, unless WEBHOOKS_TO_LOOPBACK is false.

    Raises CommandError if OPEN_ACCESS is true for an address that other machines reach.
    """
    host = listener.getsockname()[0]
    is_loopback = ip_address(host).is_loopback
    setting = os.environ.get("OPEN_ACCESS")
    to_loopback = os.environ.get("WEBHOOKS_TO_LOOPBACK")
    if not is_loopback and setting is not None and setting.lower() not in _FALSE:
        raise CommandError(f"OPEN_ACCESS is allowed on loopback only; other machines reach {host}.")
    if setting is None and is_open and is_loopback:
        os.environ["OPEN_ACCESS"] = "true"
    if to_loopback is None and is_loopback:
        os.environ["WEBHOOKS_TO_LOOPBACK"] = "true"
    try:
        yield
    finally:
        if setting is None:
            os.environ.pop("OPEN_ACCESS", None)
        if to_loopback is None:
            os.environ.pop("WEBHOOKS_TO_LOOPBACK", None)


def _require_hash_key(data_dir: Path) -> None:
    with transaction() as session:
        try:
            require_known_hash_key(session.connection(), settings())
        except RuntimeError as error:
            raise CommandError(
                f"{error}. Set USER_HASH_KEY to the database's key: if `make run` created it, the "
                f"key is in the file `user_hash_key` of that DATA_DIR (now {data_dir})."
            ) from error


@contextmanager
def _announced(file: Path, address: str) -> Iterator[None]:
    """Leave the address for commands while the server runs: they send its key there alone."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.write_text(address, encoding="ascii")
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def _require_admin_key(admin_key: Path) -> None:
    if settings().open_access:
        return
    with acting_as("local server"), transaction() as session:
        if has_admin(session):
            return
        _, token = create_key(session, "first admin", Role.ADMIN, None)
        # Write the file before the commit: otherwise a crash could lose the only admin key.
        _keep(admin_key, token.text)


def listen_on(host: str, port: int) -> socket.socket:
    """A socket bound to `port` (0: any free port). Raises PortTakenError."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise PortTakenError(
            f"Cannot listen on {host} port {port}: {error.strerror}. Choose another PORT."
        ) from error
    return listener


def address_of(listener: socket.socket) -> str:
    """The URL of the listener, without a trailing slash."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def own_address_of(listener: socket.socket) -> str:
    """The same for a client on this machine: a server on every address listens on loopback too."""
    return address_of(listener).replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.local_server", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="port, or 0 for any free one (%(default)s)"
    )
    add_data_dir_argument(parser)
    add_workers_argument(parser)
    args = parser.parse_args()
    say = partial(print, file=sys.stdout, flush=True)
    admin_key = args.data_dir / ADMIN_KEY
    had_key = admin_key.exists()
    with (
        handle_exit(),
        listen_on(args.host, args.port) as listener,
        local_api(listener, args.data_dir, say, args.workers) as workers,
    ):
        _say_who_is_let_in(own_address_of(listener), admin_key, had_key, say)
        say(f"ready {address_of(listener)}")
        workers.watch()


def _say_who_is_let_in(address: str, admin_key: Path, had_key: bool, say: Say) -> None:
    if settings().open_access:
        say(f"Open access: every program on this machine is admin at {address}, without a key")
        return
    if not had_key and admin_key.exists():
        say(f"Admin key, printed this once: {admin_key.read_text(encoding='ascii')}")
    kept = f" with the admin key in {admin_key}" if admin_key.exists() else " with a key"
    say(f"Sign in at {address}/console/sign-in{kept}")


def load_or_create_key(path: Path) -> str:
    """The user hash key in this file, which only this account can read."""
    if not path.exists():
        _keep(path, secrets.token_hex(32))
    return path.read_text(encoding="ascii")


def _keep(path: Path, secret: str) -> None:
    """Write a secret to a file that only this account can read, atomically."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="ascii") as file:
        file.write(secret)
    unfinished.rename(path)


if __name__ == "__main__":
    main()
