"""Files that are dropped into the inbox."""

import fcntl
import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, create_engine, text

from common.imports import imported_files
from common.imports import inbox as inbox_module
from common.imports.inbox import import_from_inbox
from common.problems import DatabaseUnavailable
from common.settings import settings
from tests.support.api import PROJECT
from tests.support.imports import DATA, generic_csv, generic_row

ONE = """
import threading
from datetime import UTC, datetime
from pathlib import Path
from common.imports.inbox import import_from_inbox
from common.settings import settings
import_from_inbox(Path({inbox!r}), settings(), datetime.now(UTC), threading.Event())
"""


@pytest.fixture
def inbox(acme: httpx.Client, tmp_path: Path) -> Path:
    """An empty inbox, with a database that knows acme and abc."""
    (tmp_path / "inbox").mkdir()
    return tmp_path / "inbox"


def drop(inbox: Path, name: str, content: bytes) -> Path:
    path = inbox / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (time.time() - 60, time.time() - 60))
    return path


def work(inbox: Path, stopping: threading.Event | None = None) -> bool:
    return import_from_inbox(inbox, settings(), datetime.now(UTC), stopping or threading.Event())


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def stored(client: httpx.Client) -> int:
    return len(client.get("/leads", params={"limit": 500}).raise_for_status().json()["data"])


def test_dropped_file_is_imported_and_put_away(acme: httpx.Client, inbox: Path) -> None:
    rows = [generic_row("a"), generic_row("b", engagement_level="Huge")]
    drop(inbox, "april.csv", generic_csv(*rows))

    assert work(inbox)
    assert not work(inbox)

    assert files_in(inbox.parent) == ["done/april.csv", "refused/april.refused.csv"]
    refused = (inbox.parent / "refused/april.refused.csv").read_text(encoding="utf-8-sig")
    assert "unknown_engagement_level" in refused
    assert stored(acme) == 1


def test_refused_rows_of_a_file_stay_when_another_one_has_its_name(
    acme: httpx.Client, inbox: Path
) -> None:
    for lead_id in ("first", "second"):
        drop(inbox, "april.csv", generic_csv(generic_row(lead_id, engagement_level="Huge")))
        assert work(inbox)

    kept = sorted((inbox.parent / "refused").glob("*.refused*.csv"))
    assert [name for name in ("first", "second") for path in kept if name in path.read_text()] == [
        "first",
        "second",
    ]


def test_refused_rows_are_kept_up_to_a_limit_and_counted_beyond_it(
    acme: httpx.Client, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imported_files, "MAX_REFUSED_BYTES", 1_000)
    rows = (generic_row(f"l-{number}", engagement_level="Huge") for number in range(2_500))
    drop(inbox, "odd.csv", generic_csv(*rows))

    assert work(inbox)

    refused = (inbox.parent / "refused/odd.refused.csv").read_text(encoding="utf-8-sig")
    assert len(refused.splitlines()) == 1 + 1_000
    page = acme.get("/console/imports", headers={"accept": "text/html"}).text
    assert "2,500 invalid" in page


def test_same_file_again_changes_nothing_and_both_are_kept(acme: httpx.Client, inbox: Path) -> None:
    for _ in range(2):
        drop(inbox, "april.csv", generic_csv(generic_row("a")))
        assert work(inbox)

    assert files_in(inbox.parent) == ["done/april.2.csv", "done/april.csv"]
    assert stored(acme) == 1


def test_folder_of_a_file_names_its_mapping(acme: httpx.Client, inbox: Path) -> None:
    constants = {"customer_id": "acme", "product_id": "abc"}
    mapping = {"preset": "meta_lead_ads", "time_zone": "UTC", "constants": constants}
    acme.put("/mappings/forms", json=mapping).raise_for_status()
    drop(inbox, "forms/leads.csv", (DATA / "fb_lead_ads.csv").read_bytes())
    drop(inbox, "nobodys/leads.csv", b"x")

    while work(inbox):
        pass

    assert stored(acme) == 3
    assert "done/forms/leads.csv" in files_in(inbox.parent)
    reason = (inbox.parent / "refused/nobodys/leads.csv.reason.txt").read_text()
    assert "no mapping is stored under 'nobodys'" in reason


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"PK\x03\x04\0\0\0", b"\xff\xfe\x00\x00"])
def test_file_that_is_wrong_as_a_whole_is_put_away_with_the_reason(
    inbox: Path, content: bytes
) -> None:
    drop(inbox, "x.xlsx", content)

    assert work(inbox)

    assert files_in(inbox.parent) == ["refused/x.xlsx", "refused/x.xlsx.reason.txt"]
    assert (inbox.parent / "refused/x.xlsx.reason.txt").read_text().strip()


def test_file_that_may_still_grow_or_is_elsewhere_is_left_alone(
    inbox: Path, tmp_path: Path
) -> None:
    content = generic_csv(generic_row("a"))
    (inbox / "growing.csv").write_bytes(content)
    drop(inbox, ".hidden.csv", content)
    drop(inbox, "loading.csv.part", content)
    (inbox / "link.csv").symlink_to(drop(tmp_path, "secret.csv", content))

    assert not work(inbox)


def test_file_that_another_process_imports_is_left_to_it(inbox: Path) -> None:
    path = drop(inbox, "april.csv", generic_csv(generic_row("a")))

    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert not work(inbox)
    assert work(inbox)


def test_import_that_is_stopped_goes_on_behind_its_rows(acme: httpx.Client, inbox: Path) -> None:
    drop(inbox, "april.csv", generic_csv(*(generic_row(f"l-{n}") for n in range(1_500))))
    stopping = threading.Event()
    stopping.set()

    assert work(inbox, stopping)
    assert files_in(inbox.parent) == ["inbox/april.csv"]
    assert work(inbox)

    assert files_in(inbox.parent) == ["done/april.csv"]


def test_import_that_is_killed_goes_on_behind_its_rows(
    acme: httpx.Client, inbox: Path, configured_database: str
) -> None:
    rows = 12_000
    drop(inbox, "big.csv", generic_csv(*(generic_row(f"l-{n}") for n in range(rows))))
    engine = create_engine(configured_database)
    code = ONE.format(inbox=str(inbox))
    environment = os.environ | {"DATABASE_URL": configured_database}
    victim = subprocess.Popen([sys.executable, "-c", code], cwd=PROJECT, env=environment)
    while not (done := rows_done(engine)) and victim.poll() is None:
        time.sleep(0.01)
    victim.kill()
    victim.wait()
    assert 0 < done < rows

    assert work(inbox)

    with engine.connect() as connection:
        assert connection.scalar(text("select count(*) from leads")) == rows
        imports = connection.execute(text("select rows_done, counts from imports")).all()
    assert [row.rows_done for row in imports] == [rows]
    # A batch that was stored and not yet counted is unchanged when it is stored again.
    assert imports[0].counts["created"] >= rows - 1_000
    assert sum(imports[0].counts.values()) == rows
    engine.dispose()


def rows_done(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(text("select rows_done from imports")) or 0


def test_file_stays_while_the_database_is_away(
    inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(inbox, "april.csv", generic_csv(generic_row("a")))

    def away(*_: object, **__: object) -> None:
        raise DatabaseUnavailable("it is away")

    with monkeypatch.context() as patched:
        patched.setattr(inbox_module, "import_stream", away)
        with pytest.raises(DatabaseUnavailable):
            work(inbox)

    assert files_in(inbox.parent) == ["inbox/april.csv"]


def test_file_that_meets_an_error_of_ours_does_not_hold_up_the_next(
    inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(inbox, "a.csv", generic_csv(generic_row("a")))
    drop(inbox, "b.csv", generic_csv(generic_row("b")))

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a mistake")

    with monkeypatch.context() as patched:
        patched.setattr(inbox_module, "import_stream", broken)
        assert work(inbox)
    assert work(inbox)

    assert files_in(inbox.parent) == ["done/b.csv", "refused/a.csv", "refused/a.csv.reason.txt"]
