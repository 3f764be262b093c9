"""Files of any size, which are sent to an address of their own and imported in the background."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import create_engine, text

from common.file_store import store
from common.imports import imported_files, uploaded_files, uploads
from common.problems import DatabaseUnavailable
from common.settings import settings
from services.reports.http import patience
from tests.support.api import PROJECT
from tests.support.closing import execute
from tests.support.imports import generic_csv, generic_row
from tests.support.uploads import CONTENT, ask, put, state_of, uploaded, work, work_all
from tests.support.webhooks import announced, tell_nobody

pytestmark = pytest.mark.usefixtures("files")

ONE = """
import threading
from common.settings import settings
from services.reports.importing import import_uploaded_files
import_uploaded_files(settings(), threading.Event())
"""


def kept(files: Path) -> list[str]:
    return sorted(path.name for path in files.rglob("*") if path.is_file())


def test_uploaded_file_is_imported_by_itself(acme: httpx.Client, files: Path) -> None:
    awaiting = ask(acme, file_name="april.csv")
    import_id = awaiting["import_id"]
    assert awaiting["status"] == state_of(acme, import_id)["status"] == "awaiting_file"
    assert not work()

    sent = put(acme, awaiting)

    assert sent.status_code == 202
    assert sent.json() == state_of(acme, import_id)
    assert sent.json()["status"] == "unfinished"
    assert kept(files) == [import_id]
    work_all()
    done = state_of(acme, import_id)
    assert (done["status"], done["file_name"], done["error"]) == ("finished", "april.csv", None)
    assert (done["rows"], done["rows_done"], done["refused"]) == (2, 2, 1)
    assert "Huge" in acme.get(f"/imports/{import_id}/refused.csv").text
    assert kept(files) == []


def test_file_may_be_larger_than_a_body(acme: httpx.Client) -> None:
    content = CONTENT.replace(b"\r\n", b"\r\n" + b"\n" * (6 * 1024 * 1024 + 1), 1)

    import_id = uploaded(acme, content)

    work_all()
    assert state_of(acme, import_id)["rows_done"] == 2


def test_mapping_is_checked_before_there_is_an_address(acme: httpx.Client) -> None:
    constants = {"customer_id": "acme", "product_id": "abc"}
    acme.put("/mappings/shop", json={"constants": constants}).raise_for_status()
    unknown = acme.post("/imports", params={"file_bytes": 1, "mapping": "nobodys"})
    assert unknown.status_code == 422

    import_id = uploaded(acme, generic_csv(generic_row(customer_id="")), mapping="shop")

    acme.delete("/mappings/shop").raise_for_status()
    work_all()
    assert state_of(acme, import_id)["counts"]["created"] == 1


def test_address_takes_one_file(acme: httpx.Client, files: Path) -> None:
    awaiting = ask(acme)
    put(acme, awaiting).raise_for_status()

    again = put(acme, awaiting)

    assert again.status_code == 409
    assert "has arrived" in again.json()["detail"]
    work_all()
    assert put(acme, awaiting).status_code == 409
    assert kept(files) == []


def test_of_two_files_at_once_one_arrives(acme: httpx.Client, files: Path) -> None:
    awaiting = ask(acme)
    other = CONTENT.replace(b"Huge", b"High")

    def slowly() -> Any:
        yield CONTENT[:10]
        put(acme, awaiting, other).raise_for_status()
        yield CONTENT[10:]

    late = put(acme, awaiting, slowly())

    assert late.status_code == 409
    work_all()
    assert state_of(acme, awaiting["import_id"])["counts"]["created"] == 2
    assert kept(files) == []


@pytest.mark.parametrize(
    ("content", "status"),
    [(CONTENT + b"\n", 413), (CONTENT[:-1], 400), (b"", 400)],
    ids=["larger", "smaller", "empty"],
)
@pytest.mark.parametrize("says_its_size", [True, False])
def test_file_of_another_size_is_refused(
    acme: httpx.Client, files: Path, content: bytes, status: int, says_its_size: bool
) -> None:
    awaiting = ask(acme)

    refused = put(acme, awaiting, content if says_its_size else iter([content]))

    assert refused.status_code == status
    assert kept(files) == []
    assert state_of(acme, awaiting["import_id"])["status"] == "awaiting_file"
    put(acme, awaiting).raise_for_status()  # the right one is still taken


def test_upload_that_breaks_off_leaves_nothing(acme: httpx.Client, files: Path) -> None:
    awaiting = ask(acme)

    def breaking() -> Any:
        yield CONTENT[:10]
        raise ConnectionError

    with pytest.raises(ConnectionError):
        put(acme, awaiting, breaking())

    until = time.monotonic() + 10
    while kept(files) and time.monotonic() < until:
        time.sleep(0.01)
    assert kept(files) == []
    put(acme, awaiting).raise_for_status()


def test_what_a_killed_server_left_is_deleted(acme: httpx.Client, files: Path) -> None:
    (files / "uploads").mkdir(parents=True)
    for name, age in (("old.part", 2 * 86_400), ("new.part", 60)):
        (files / "uploads" / name).write_bytes(b"x")
        os.utime(files / "uploads" / name, (time.time() - age, time.time() - age))

    import_id = uploaded(acme)

    assert kept(files) == sorted([import_id, "new.part"])


def test_address_that_was_not_used_in_time_takes_nothing(acme: httpx.Client, files: Path) -> None:
    awaiting = ask(acme)
    execute("update imports set upload_until = now() - interval '1 second'")

    late = put(acme, awaiting)

    assert late.status_code == 409
    assert "time of this address is over" in late.json()["detail"]
    assert state_of(acme, awaiting["import_id"])["status"] == "expired"
    assert kept(files) == []
    assert not work()


def test_upload_that_began_in_time_may_end_later(acme: httpx.Client, files: Path) -> None:
    awaiting = ask(acme)

    def slowly() -> Any:
        yield CONTENT[:10]
        until = time.monotonic() + 10
        while not kept(files) and time.monotonic() < until:
            time.sleep(0.01)
        execute("update imports set upload_until = now() - interval '1 second'")
        yield CONTENT[10:]

    put(acme, awaiting, slowly()).raise_for_status()

    work_all()
    assert state_of(acme, awaiting["import_id"])["status"] == "finished"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"PK\x03\x04\0\0\0", "a workbook (XLSX)"),
        (b"\x1f\x8b\x08\0", "packed (gzip)"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "is not utf-8"),
        (b"a,b\n1,2\n", "/columns/lead_id"),
        (b"\n\n", "is empty"),
    ],
)
def test_file_of_a_wrong_type_is_refused_with_the_reason(
    acme: httpx.Client, files: Path, content: bytes, reason: str
) -> None:
    import_id = uploaded(acme, content)

    work_all()

    refused = state_of(acme, import_id)
    assert refused["status"] == "refused"
    assert reason in refused["error"]
    assert kept(files) == []


@pytest.mark.parametrize(
    ("query", "content", "status"),
    [
        ({"file_bytes": 0}, b"", 422),
        ({"file_bytes": store.MAX_FILE_BYTES + 1}, b"", 413),
        ({"file_bytes": 10, "dry_run": "true"}, b"", 422),
        ({"file_bytes": len(CONTENT)}, CONTENT, 422),
        ({}, b"", 400),
    ],
)
def test_what_cannot_be_uploaded_is_refused(
    acme: httpx.Client, query: Any, content: bytes, status: int
) -> None:
    assert acme.post("/imports", params=query, content=content).status_code == status
    assert execute("select 1 from imports") == []


def test_wrong_address_takes_nothing(acme: httpx.Client) -> None:
    awaiting = ask(acme)
    address = f"/imports/{awaiting['import_id']}/file"

    assert acme.put(address, content=CONTENT).status_code == 422
    assert acme.put(address, params={"token": "x"}, content=CONTENT).status_code == 404
    token = awaiting["upload"]["address"].partition("=")[2]
    other = f"/imports/{uuid4()}/file"
    assert acme.put(other, params={"token": token}, content=CONTENT).status_code == 404


def test_address_is_kept_nowhere(acme: httpx.Client) -> None:
    key = {"Idempotency-Key": "once"}
    answer = acme.post("/imports", params={"file_bytes": 5}, headers=key)
    token = answer.json()["upload"]["address"].partition("=")[2]

    again = acme.post("/imports", params={"file_bytes": 5}, headers=key)

    assert again.status_code == 409
    for table in ("imports", "idempotency_keys"):
        assert token not in str(execute(f"select to_jsonb({table}) from {table}"))
    assert len(execute("select 1 from imports")) == 1


def test_a_key_has_so_many_addresses_at_a_time(
    acme: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MAX_AWAITED", 2)
    first = ask(acme)
    ask(acme)

    assert acme.post("/imports", params={"file_bytes": 5}).status_code == 429
    put(acme, first).raise_for_status()
    ask(acme)


def test_uploads_are_refused_where_no_file_can_be_kept(
    acme: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FILE_STORE_DIR")
    settings.cache_clear()

    assert acme.post("/imports", params={"file_bytes": 5}).status_code == 503
    assert not work()


def test_stopped_worker_leaves_the_rest_to_the_next(
    acme: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_nobody(acme, monkeypatch, "import.finished")
    import_id = uploaded(acme, generic_csv(*(generic_row(f"l-{n}") for n in range(1_500))))
    stopping = threading.Event()
    stopping.set()

    assert work(stopping)
    half = state_of(acme, import_id)
    work_all()

    assert (half["status"], half["rows"], half["rows_done"]) == ("unfinished", 1_500, 1_000)
    assert state_of(acme, import_id)["counts"]["created"] == 1_500
    assert [told["rows"] for told in announced("import.finished")] == [1_500]


def test_import_of_a_killed_worker_is_taken_up_where_it_stopped(
    acme: httpx.Client, configured_database: str
) -> None:
    rows = 12_000
    import_id = uploaded(acme, generic_csv(*(generic_row(f"l-{n}") for n in range(rows))))
    engine = create_engine(configured_database)
    environment = os.environ | {"DATABASE_URL": configured_database}
    victim = subprocess.Popen([sys.executable, "-c", ONE], cwd=PROJECT, env=environment)
    done = 0
    while not done and victim.poll() is None:
        with engine.connect() as connection:
            done = connection.scalar(text("select rows_done from imports")) or 0
        time.sleep(0.01)
    victim.kill()
    victim.wait()
    assert 0 < done < rows

    assert not work()  # the lease of the killed one
    execute("update imports set leased_until = now()")
    work_all()

    told = state_of(acme, import_id)
    assert (told["status"], sum(told["counts"].values())) == ("finished", rows)
    assert told["counts"]["created"] >= rows - 1_000
    assert execute("select count(*) from leads") == [(rows,)]
    engine.dispose()


def test_worker_that_makes_no_progress_three_times_gives_up(acme: httpx.Client) -> None:
    import_id = uploaded(acme)
    for _ in range(uploaded_files.MAX_ATTEMPTS):
        assert uploaded_files._take() is not None  # and the worker is killed
        execute("update imports set leased_until = now() - interval '1 second'")

    assert work()

    assert "ended 3 times" in state_of(acme, import_id)["error"]


def test_failures_are_tried_again_and_then_told(
    acme: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_id = uploaded(acme)

    def failing(*_arguments: Any) -> Any:
        raise RuntimeError("boom")

    monkeypatch.setattr(imported_files, "import_rows", failing)
    for _ in range(uploaded_files.MAX_ATTEMPTS):
        assert state_of(acme, import_id)["status"] == "unfinished"
        with pytest.raises(RuntimeError):
            work()

    assert "the log says why" in state_of(acme, import_id)["error"]


def test_database_that_goes_away_costs_no_more_than_time(
    acme: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_id = uploaded(acme)

    def failing(*_arguments: Any) -> Any:
        raise DatabaseUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(imported_files, "import_rows", failing)
        with pytest.raises(DatabaseUnavailable):
            work()
    execute("update imports set leased_until = now()")

    work_all()
    assert state_of(acme, import_id)["status"] == "finished"


def test_file_that_nobody_fetched_is_deleted_a_day_later(acme: httpx.Client, files: Path) -> None:
    awaiting = ask(acme)
    (files / "uploads").mkdir(parents=True)
    (files / "uploads" / awaiting["import_id"]).write_bytes(b"killed before it was noted")
    execute("update imports set upload_until = now() - interval '25 hours'")

    assert work()
    assert not work()

    assert kept(files) == []


def test_upload_may_take_long_while_it_goes_on(
    acme: httpx.Client, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "REQUEST_SECONDS", 1.0)
    monkeypatch.setattr(patience, "_PIECE_BYTES", 4)
    awaiting = ask(acme)

    def slowly(pause: float) -> Any:
        for place in range(0, len(CONTENT), 100):
            yield CONTENT[place : place + 100]
            time.sleep(pause)

    with pytest.raises(httpx.HTTPError):
        put(acme, awaiting, slowly(3))
    assert put(acme, awaiting, slowly(0.6)).status_code == 202
    assert len(CONTENT) > 200
    assert kept(files) == [awaiting["import_id"]]
