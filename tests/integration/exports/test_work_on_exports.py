"""Exports as work: progress, workers that end in the middle, and files whose time is over."""

import threading
from pathlib import Path

import httpx
import pytest

from common.exports import jobs
from common.settings import settings
from services.reports import exporting
from services.reports.exporting import make_exports
from tests.support.api import action, lead, post
from tests.support.closing import closed, execute, forget_price
from tests.support.exports import ask_for, csv_rows, exported, work
from tests.support.statements import sent_statements
from tests.support.webhooks import announced, tell_nobody


@pytest.fixture
def asked(acme: httpx.Client) -> str:
    """The id of an export that waits."""
    post(acme, lead("l", action())).raise_for_status()
    return str(ask_for(acme, "lines", "csv").json()["export_id"])


def ratings(sent: list[str]) -> int:
    """How many of the statements rate a month for its lines; to sum up, only a backlog is rated."""
    # Only the statements of common/rating/sql compare with an original.
    return sum("original_lead_id" in each and "named_lines" in each for each in sent)


def status_of(client: httpx.Client, export_id: str) -> str:
    return str(client.get(f"/exports/{export_id}").json()["status"])


def test_export_waits_until_a_worker_takes_it(acme: httpx.Client, asked: str) -> None:
    assert acme.get(f"/exports/{asked}").status_code == 200
    assert status_of(acme, asked) == "queued"
    assert acme.get(f"/exports/{asked}/file").status_code == 409

    assert work()

    assert status_of(acme, asked) == "ready"
    assert not work()


def test_export_of_a_killed_worker_is_taken_up_when_its_lease_ran_out(
    acme: httpx.Client, asked: str
) -> None:
    taken = jobs.take_export()  # and the worker is killed
    assert taken is not None

    assert not work()
    assert status_of(acme, asked) == "running"
    execute("update exports set leased_until = now() - interval '1 second'")
    assert work()
    assert status_of(acme, asked) == "ready"


def test_worker_that_lost_its_lease_writes_nothing(acme: httpx.Client, asked: str) -> None:
    first = jobs.take_export()
    execute("update exports set leased_until = now() - interval '1 second'")
    second = jobs.take_export()
    assert first is not None
    assert second is not None

    with pytest.raises(jobs.Interrupted):
        jobs.finish_export(first, "lines.csv", 1, 1)

    jobs.finish_export(second, "lines.csv", 1, 1)
    assert status_of(acme, asked) == "ready"


def test_two_workers_never_take_the_same_export(acme: httpx.Client, asked: str) -> None:
    ask_for(acme, "reports", "csv")

    taken = [jobs.take_export() for _ in range(3)]

    assert taken[2] is None
    assert len({each.export_id for each in taken if each}) == 2


def test_stopped_worker_gives_its_export_back(acme: httpx.Client, asked: str) -> None:
    stopping = threading.Event()
    stopping.set()

    make_exports(settings(), stopping)

    assert status_of(acme, asked) == "queued"
    assert work()
    assert status_of(acme, asked) == "ready"


def test_worker_that_fails_three_times_says_so(
    acme: httpx.Client, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(exporting, "_write", fail)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            work()

    shown = acme.get(f"/exports/{asked}").json()
    assert (shown["status"], shown["error"]) == (
        "failed",
        "the file could not be made; the log says why",
    )


def test_worker_that_is_killed_three_times_gives_up(acme: httpx.Client, asked: str) -> None:
    for _ in range(3):
        assert jobs.take_export() is not None
        execute("update exports set leased_until = now() - interval '1 second'")

    assert work()

    assert status_of(acme, asked) == "failed"


def test_what_no_report_can_be_made_of_fails_with_the_reason(
    acme: httpx.Client, asked: str
) -> None:
    post(acme, lead("m", action(engagement_level="Low"))).raise_for_status()
    forget_price("acme")

    assert work()

    shown = acme.get(f"/exports/{asked}").json()
    assert shown["status"] == "failed"
    assert "have no price" in shown["error"]


def test_file_is_deleted_when_its_time_is_over(
    acme: httpx.Client, asked: str, file_folder: Path
) -> None:
    work()
    execute("update exports set expires_at = now() - interval '1 second'")

    assert status_of(acme, asked) == "expired"
    assert acme.get(f"/exports/{asked}/file").status_code == 404
    assert work()
    assert list((file_folder / "exports").iterdir()) == []
    assert not work()


def test_erasing_a_user_takes_the_files_away(
    acme: httpx.Client, asked: str, file_folder: Path
) -> None:
    work()

    acme.post("/customers/acme/erasures", json={"user": "l@people.test"}).raise_for_status()

    assert status_of(acme, asked) == "expired"
    assert work()
    assert list((file_folder / "exports").iterdir()) == []


def test_draft_is_rated_once_and_a_final_month_not_at_all(acme: httpx.Client, asked: str) -> None:
    with sent_statements() as of_draft:
        work()
    closed(acme, "2024-04")
    ask_for(acme, "lines", "csv")

    with sent_statements() as of_final:
        work()

    assert ratings(of_draft) == 1
    assert ratings(of_final) == 0


def test_exports_are_refused_where_no_file_can_be_kept(
    acme: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FILE_STORE_DIR")
    settings.cache_clear()

    assert ask_for(acme, "lines", "csv").status_code == 503
    assert not work()


def test_exports_are_listed_with_the_newest_first(acme: httpx.Client) -> None:
    ids = [ask_for(acme, "reports", "csv").json()["export_id"] for _ in range(3)]

    first = acme.get("/exports", params={"limit": 2}).json()
    rest = acme.get("/exports", params={"limit": 2, "cursor": first["next_cursor"]}).json()

    assert [each["export_id"] for each in first["data"] + rest["data"]] == ids[::-1]
    assert rest["next_cursor"] is None


def test_page_of_the_console_starts_an_export(acme: httpx.Client) -> None:
    form = {"kind": "reports", "format": "csv", "period": "2024-04"}
    started = acme.post("/console/exports", data=form)
    assert started.status_code == 303
    work()

    shown = acme.get("/console/exports").text

    assert "Download" in shown
    refused = acme.post("/console/exports", data=form | {"format": "xero"})
    assert refused.status_code == 422
    assert "not as xero" in refused.text


def test_empty_month_is_a_file_without_rows(acme: httpx.Client) -> None:
    assert csv_rows(exported(acme, "lines", "csv", period="2020-01")) == []


def test_a_finished_export_is_announced(
    april_and_may: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_nobody(april_and_may, monkeypatch, "export.ready")
    asked = ask_for(april_and_may, "lines", "csv").json()
    waiting = announced("export.ready")
    assert work()

    ready = april_and_may.get(f"/exports/{asked['export_id']}").json()
    assert waiting == []
    assert announced("export.ready") == [
        {
            "export_id": asked["export_id"],
            "kind": "lines",
            "format": "csv",
            "period": "2024-04",
            "rows": ready["rows_done"],
            "file_bytes": ready["file_bytes"],
        }
    ]
