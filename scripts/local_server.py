"""The whole API on this machine, in one process: gateway, Lambda function, service, PostgreSQL.

Invariant: this process stops everything that it starts, unless SIGKILL ends it.
"""

import argparse
import logging
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from common.access.api_keys import create_key, has_admin
from common.database.deployment import require_known_hash_key
from common.database.grants import FUNCTION, SERVICE
from common.database.transactions import acting_as, transaction
from common.enums import Role
from common.settings import settings
from scripts.cli import CommandError, handle_exit
from scripts.database import Say, add_data_dir_argument, owned_database
from scripts.gateway import LocalGateway
from scripts.migrate import upgrade_configured_database

DEFAULT_PORT = 8080
_GRACE_SECONDS = 10
_FALSE = {"", "0", "false", "no", "off", "f", "n"}


class PortTakenError(CommandError):
    """Another process listens on the port."""


@contextmanager
def local_api(
    listener: socket.socket, data_dir: Path, say: Say, admin_key: Path | None = None
) -> Iterator[threading.Event]:
    """Serve the API on `listener` until the context ends; gives the event of the server's end.

    Sets DATABASE_URL and USER_HASH_KEY if the environment lacks them, and OPEN_ACCESS if only
    this machine reaches the listener: call it before anything reads the settings. If callers need
    a key and no admin key exists, creates one and keeps it in `admin_key`. Discards standard
    output, except for streams that the caller opened before. Raises EmbeddedPostgresError, and
    CommandError if other machines could call the API without a key or if USER_HASH_KEY is not the
    key of the database.
    """
    with _open_to_this_machine(listener), owned_database(data_dir, say):
        if not os.environ.get("USER_HASH_KEY"):
            os.environ["USER_HASH_KEY"] = load_or_create_key(data_dir / "user_hash_key")
        os.environ.setdefault("POWERTOOLS_LOG_LEVEL", "WARNING")
        say("Bringing the schema up to date")
        upgrade_configured_database()
        _require_hash_key(data_dir)
        _require_admin_key(listener, admin_key)
        with (
            # The function prints its metrics, and nothing collects them here.
            open(os.devnull, "w", encoding="utf-8") as nowhere,
            redirect_stdout(nowhere),
            serve_in_thread(load_gateway(), listener) as ended,
        ):
            yield ended


def load_gateway() -> LocalGateway:
    """The gateway in front of the deployed handler and app. Both read the settings on import."""
    # Loggers keep the stream that is current when these imports create them.
    with redirect_stdout(sys.stderr):
        from functions.ingest.handler import handler  # noqa: PLC0415
        from services.reports.app import app  # noqa: PLC0415
        from services.reports.http.request_logging import log_as_json  # noqa: PLC0415
    if not logging.getLogger().handlers:
        log_as_json(logging.WARNING, sys.stderr)
    return LocalGateway(handler, app, FUNCTION, SERVICE)


@contextmanager
def _open_to_this_machine(listener: socket.socket) -> Iterator[None]:
    """Require no keys if only this machine reaches the listener, unless OPEN_ACCESS is false.

    Raises CommandError if OPEN_ACCESS is true for an address that other machines reach.
    """
    host = listener.getsockname()[0]
    is_loopback = ip_address(host).is_loopback
    setting = os.environ.get("OPEN_ACCESS")
    if not is_loopback and setting is not None and setting.lower() not in _FALSE:
        raise CommandError(f"OPEN_ACCESS is allowed on loopback only; other machines reach {host}.")
    if setting is None and is_loopback:
        os.environ["OPEN_ACCESS"] = "true"
    try:
        yield
    finally:
        if setting is None:
            os.environ.pop("OPEN_ACCESS", None)


def _require_hash_key(data_dir: Path) -> None:
    with transaction() as session:
        try:
            require_known_hash_key(session, settings())
        except RuntimeError as error:
            raise CommandError(
                f"{error}. Set USER_HASH_KEY to the database's key: if `make run` created it, the "
                f"key is in the file `user_hash_key` of that DATA_DIR (now {data_dir})."
            ) from error


def _require_admin_key(listener: socket.socket, admin_key: Path | None) -> None:
    if settings().open_access:
        return
    with acting_as("local server"), transaction() as session:
        if has_admin(session):
            return
        if admin_key is None:
            raise CommandError(
                f"other machines reach {address_of(listener)}, and no admin key exists: create one "
                "with `make key-create NAME=... ROLE=admin` and the same DATA_DIR or DATABASE_URL."
            )
        _, token = create_key(session, "demo", Role.ADMIN, None)
        # Write the file before the commit: otherwise a crash could lose the only admin key.
        _keep(admin_key, token.text)


@contextmanager
def serve_in_thread(app: ASGIApp, listener: socket.socket) -> Iterator[threading.Event]:
    """Serve `app` in another thread, so that this module handles signals in the main thread.

    Gives an event instead of the thread: if a signal interrupts Thread.join, Python takes the
    thread for ended, and the next join does not wait for the last requests.
    """
    config = uvicorn.Config(
        app, log_config=None, access_log=False, timeout_graceful_shutdown=_GRACE_SECONDS
    )
    server = uvicorn.Server(config)
    ended = threading.Event()

    def serve() -> None:
        try:
            server.run([listener])
        finally:
            ended.set()

    thread = threading.Thread(target=serve, name="server")
    thread.start()
    try:
        while not server.started:
            if ended.is_set():
                raise CommandError("the server did not start; the log above says why.")
            time.sleep(0.01)
        yield ended
    finally:
        server.should_exit = True
        thread.join()


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


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.local_server", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="port, or 0 for any free one (%(default)s)"
    )
    add_data_dir_argument(parser)
    args = parser.parse_args()
    say = partial(print, file=sys.stdout, flush=True)
    with (
        handle_exit(),
        listen_on(args.host, args.port) as listener,
        local_api(listener, args.data_dir, say) as ended,
    ):
        say(f"ready {address_of(listener)}")
        ended.wait()
        raise CommandError("the server stopped unexpectedly; the log above says why.")


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
