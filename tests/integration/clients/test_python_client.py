"""The Python client against the API: what is sent, read, imported, exported and verified."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from lead_billing_client import NotVerified, models, verify_reports
from lead_billing_client.errors import Conflict, Invalid, NotFound
from services.reports import report_files
from tests.support.api import action, lead, post
from tests.support.exports import csv_rows, work
from tests.support.imports import generic_csv, generic_row


@contextmanager
def made_in_the_background() -> Iterator[None]:
    """The worker's step for exports, again and again."""
    done = threading.Event()

    def make() -> None:
        while not done.wait(0.05):
            work()

    thread = threading.Thread(target=make)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_lead_is_sent_as_a_model_and_its_report_read_as_one(client: Any) -> None:
    sent = models.Lead(
        lead_id="a/b 100% +",
        customer_id="acme",
        product_id="abc",
        lead_type="Webinar",
        created_at="2024-04-01T09:55:00Z",
        user=models.User(email="ann+1@people.example"),
        actions=[
            models.Action(
                action_type="Form",
                timestamp="2024-04-01T10:00:00Z",
                engagement_level=models.EngagementLevel.High,
            )
        ],
    )

    first, again = client.post_leads(sent), client.post_leads([sent])

    assert (first.created, again.unchanged) == (1, 1)
    report = client.get_report("acme", "2024-04")
    assert (report.status, report.due) == (models.ReportStatus.draft, Decimal("10.00"))
    assert client.get_lead("a/b 100% +").actions[0].billed == Decimal("10.00")
    assert [found.lead_id for found in client.list_leads(user="ann+1@people.example").data]
    assert client.list_leads(user="ann 1@people.example").data == []


def test_all_pages_of_a_list_are_gone_through(acme: httpx.Client, client: Any) -> None:
    day = "2024-04-03T09:00:00Z"
    levels = ("High", "Low", "High", "Low", "High", "Low", "High")
    post(acme, [lead(f"lead-{n}", action("Form", day, level)) for n, level in enumerate(levels)])

    lines = list(client.iter_lines("acme", "2024-04", limit=2))
    leads = list(client.iter_leads(customer_id="acme", limit=3))

    assert {line.lead_id for line in lines} == {found.lead_id for found in leads}
    assert len(lines) == 7
    low = client.iter_lines("acme", "2024-04", engagement_level="Low", limit=1)
    assert {line.lead_id for line in low} == {"lead-1", "lead-3", "lead-5"}
    assert {each.subject for each in client.iter_audit_entries(limit=1)} == {"customer", "product"}


def test_errors_say_what_the_problem_document_says(client: Any) -> None:
    with pytest.raises(NotFound) as missing:
        client.get_customer("nobody")
    with pytest.raises(Invalid) as refused:
        client.post_leads({"lead_id": "x", "colour": "red"})

    assert (missing.value.status, missing.value.kind) == (404, "not-found")
    assert missing.value.correlation_id
    codes = {error.pointer: error.code for error in refused.value.errors}
    assert codes["/colour"] == "unknown_field"
    assert "/customer_id" in str(refused.value)
    assert refused.value.document["results"][0]["status"] == "invalid"


def test_file_is_tried_imported_and_its_refused_rows_are_saved(client: Any, tmp_path: Path) -> None:
    file, refused = tmp_path / "leads.csv", tmp_path / "refused.csv"
    file.write_bytes(generic_csv(generic_row("one"), generic_row("two", engagement_level="Huge")))
    seen: list[tuple[int, int | None]] = []

    tried = client.try_file(file)
    assert client.list_leads().data == []
    done = client.import_file(file, refused_to=refused, progress=lambda *rows: seen.append(rows))

    assert tried.dry_run
    assert tried.refused_rows == 1
    assert (done.counts.created, done.refused, done.file_name) == (1, 1, "leads.csv")
    assert seen == [(2, 2)]
    assert "unknown_engagement_level" in refused.read_text()
    mended = refused.read_bytes().replace(b"Huge", b"High")
    constants = {"constants": {"product_id": "abc"}}
    assert client.import_file(mended, mapping=constants).counts.created == 1


def test_export_is_waited_for_and_saved(client: Any, acme: httpx.Client, tmp_path: Path) -> None:
    post(acme, lead("lead-1", action()))
    body = models.ExportBody(
        kind=models.ExportKind.lines, format=models.ExportFormat.csv, period="2024-04"
    )

    with made_in_the_background():
        path = client.export_file(body, tmp_path)

    assert [row["lead_id"] for row in csv_rows(path.read_bytes())] == ["lead-1"]
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == [path.name]
    assert client.report_file("acme", "2024-04", "pdf").startswith(b"%PDF")


@pytest.mark.parametrize("kind", ["csv", "ndjson", "pdf"])
def test_file_of_a_report_that_is_too_large_is_waited_for(
    client: Any, acme: httpx.Client, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(acme, lead("lead-1", action()))
    client.close_period("2024-04")
    whole = client.report_file("acme", "2024-04", kind)
    monkeypatch.setattr(report_files, "MAX_ANSWER_BYTES", len(whole) - 1)

    with made_in_the_background():
        assert client.report_file("acme", "2024-04", kind) == whole


def test_whole_report_is_verified_by_its_hash(client: Any, acme: httpx.Client) -> None:
    levels = ("High", "Medium", "Low")
    for month in ("2024-04", "2024-05"):
        day = f"{month}-03T09:00:00Z"
        post(acme, lead(f"lead-{month}", *(action("Form", day, level) for level in levels)))
        client.close_period(month)
    april, may = (client.whole_report("acme", month) for month in ("2024-04", "2024-05"))

    verify_reports(april, may)

    assert client.verify_report("acme", "2024-04").verified
    april["lines"][0]["billed"] = "0.00"
    with pytest.raises(NotVerified):
        verify_reports(april)
    with pytest.raises(NotVerified, match="no report"):
        verify_reports({})


def test_report_of_more_than_a_page_is_fetched_whole(client: Any, acme: httpx.Client) -> None:
    day = "2024-04-03T09:00:00Z"
    leads = [lead(f"l-{each}", *(action(f"a{n}", day) for n in range(9))) for each in range(120)]
    post(acme, leads).raise_for_status()
    client.close_period("2024-04")

    report = client.whole_report("acme", "2024-04")

    assert (len(report["lines"]), len(report["by_lead"])) == (1080, 120)
    verify_reports(report)


def test_period_is_closed_once_and_a_dispute_is_opened_and_accepted(
    client: Any, acme: httpx.Client
) -> None:
    post(acme, lead("lead-1", action()))
    run = client.close_period("2024-04", models.CloseBody(customer_ids=["acme"]))
    opened = client.open_dispute(
        models.NewDispute(lead_id="lead-1", customer_id="acme", reason=models.DisputeReason.spam)
    )
    accepted = client.accept_dispute(opened.dispute_id)

    assert run.closed == 1
    assert accepted.status == "accepted"
    with pytest.raises(Conflict):
        client.reject_dispute(opened.dispute_id, models.Resolution(note="too late"))
    assert [each.dispute_id for each in client.iter_disputes()] == [opened.dispute_id]
