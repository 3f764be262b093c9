"""Files of one report that are too large to be answered: 303 to an export of the same file."""

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import update

from common.billing_period import Period
from common.database.transactions import transaction
from common.enums import ReportStatus
from common.exports.models import Export
from common.reports.lines import LineFile
from common.settings import settings
from services.reports import report_files
from services.reports.http.content_negotiation import FORMATS, PDF, Format
from tests.support.api import action, lead, post, register
from tests.support.exports import work
from tests.support.reports import line, report_of

APRIL = "/billing/reports/acme/2024-04"
FILES = ("csv", "ndjson", "pdf")
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(params=["draft", "final"])
def april(acme: httpx.Client, request: pytest.FixtureRequest) -> httpx.Client:
    """April with a line, open or closed."""
    post(acme, lead("l1", action(), user={"email": "ann@people.test"})).raise_for_status()
    if request.param == "final":
        acme.post("/billing/periods/2024-04/close").raise_for_status()
    return acme


@pytest.fixture
def tiny_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer has room for a line, but not for a file of it."""
    monkeypatch.setattr(report_files, "MAX_ANSWER_BYTES", 600)


def file_behind(client: httpx.Client, answer: httpx.Response) -> httpx.Response:
    """The file of the export that a 303 leads to, once it is made."""
    assert answer.status_code == 303, answer.text
    export = answer.url.join(answer.headers["location"])
    assert client.get(export).json()["status"] == "queued"
    assert work()
    ready = client.get(export)
    assert ready.status_code == 303, ready.text
    return client.get(ready.url.join(ready.headers["location"]))


@pytest.mark.parametrize("extension", FILES)
def test_export_is_the_file_that_would_have_been_answered(
    april: httpx.Client, monkeypatch: pytest.MonkeyPatch, extension: str
) -> None:
    whole = april.get(f"{APRIL}.{extension}")
    monkeypatch.setattr(report_files, "MAX_ANSWER_BYTES", len(whole.content) - 1)

    answer = april.get(f"{APRIL}.{extension}")
    file = file_behind(april, answer)

    assert answer.json()["kind"] == "report"
    assert answer.json()["format"] == extension
    assert "made in the background as an export" in answer.json()["detail"]
    if extension != "pdf" or april.get(APRIL).json()["status"] == "final":  # a draft has a time
        assert file.content == whole.content
    assert file.content.startswith(whole.content[:5])
    assert f"acme-2024-04.{extension}" in file.headers["content-disposition"]


def test_file_that_just_fits_is_answered(
    april: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = april.get(f"{APRIL}.csv").content
    monkeypatch.setattr(report_files, "MAX_ANSWER_BYTES", len(whole))

    assert april.get(f"{APRIL}.csv").content == whole


@pytest.mark.usefixtures("tiny_answers")
def test_same_request_leads_to_the_same_export_and_others_to_others(april: httpx.Client) -> None:
    def export_of(**query: Any) -> str:
        answer = april.get(f"{APRIL}.csv", params=query)
        assert answer.status_code == 303
        return str(answer.json()["export_id"])

    first = export_of()
    assert export_of() == first
    assert export_of(unmasked="true") == export_of(unmasked="true") != first
    assert april.get(f"{APRIL}.pdf").json()["export_id"] != first
    while work():
        pass
    assert export_of() == first
    gone(first)
    assert export_of() != first


def gone(export_id: str) -> None:
    with transaction() as session:
        over = datetime.now(UTC) - timedelta(seconds=1)
        session.execute(update(Export).where(Export.export_id == export_id).values(expires_at=over))


@pytest.mark.usefixtures("tiny_answers")
def test_draft_of_some_minutes_ago_is_made_anew(acme: httpx.Client) -> None:
    post(acme, lead("l1", action())).raise_for_status()
    first = acme.get(f"{APRIL}.csv").json()["export_id"]
    assert work()
    with transaction() as session:
        ago = datetime.now(UTC) - timedelta(minutes=6)
        session.execute(update(Export).values(finished_at=ago))

    assert acme.get(f"{APRIL}.csv").json()["export_id"] != first


@pytest.mark.usefixtures("tiny_answers")
def test_export_of_a_draft_does_not_stand_for_the_final_report(acme: httpx.Client) -> None:
    post(acme, lead("l1", action())).raise_for_status()
    draft = acme.get(f"{APRIL}.csv").json()["export_id"]
    acme.post("/billing/periods/2024-04/close").raise_for_status()

    assert acme.get(f"{APRIL}.csv").json()["export_id"] != draft


@pytest.mark.usefixtures("tiny_answers")
def test_people_are_in_the_export_as_they_were_asked_for(april: httpx.Client) -> None:
    masked = file_behind(april, april.get(f"{APRIL}.csv")).text
    full = file_behind(april, april.get(f"{APRIL}.csv", params={"unmasked": "true"})).text

    assert "a***@people.test" in masked
    assert "ann@people.test" in full


@pytest.mark.parametrize("extension", FILES)
def test_count_of_lines_spares_rating_and_drawing_what_cannot_fit(
    april: httpx.Client, monkeypatch: pytest.MonkeyPatch, extension: str
) -> None:
    (form,) = (each for each in FORMATS if each.extension == extension)
    monkeypatch.setattr(report_files, "MAX_ANSWER_BYTES", form.least_bytes_a_line - 1)
    monkeypatch.setattr(report_files, "file_of_report", None)

    assert april.get(f"{APRIL}.{extension}").status_code == 303


@pytest.mark.parametrize("form", [each for each in FORMATS if each.least_bytes_a_line])
def test_no_line_takes_less_than_the_count_assumes(form: Format) -> None:
    def size_of(count: int) -> int:
        lines = [
            line(
                **{"action_id": str(uuid4()), "lead_id": f"{number}", "product_id": "p"},
                **{"lead_type": "t", "user": None, "action_type": "c", "engagement_level": "Low"},
                **{"gross_cents": 0, "billed_cents": 0},
            )
            for number in range(count)
        ]
        if form.render is not None:
            return len(b"".join(form.render(report_of(lines))))
        assert form.render_lines is not None
        draft = ReportStatus.DRAFT
        file = LineFile("a", Period.parse("2024-04"), "UTC", draft, iter(lines), [])
        return len(b"".join(form.render_lines(file)))

    assert size_of(2_001) - size_of(1) >= 2_000 * form.least_bytes_a_line


@pytest.mark.usefixtures("tiny_answers")
def test_link_of_a_page_leads_a_browser_to_its_export(april: httpx.Client) -> None:
    to_exports = april.get(f"{APRIL}.csv", headers=BROWSER)
    page_address = to_exports.url.join(to_exports.headers["location"])

    waiting = april.get(page_address, headers=BROWSER)
    assert work()
    ready = april.get(page_address, headers=BROWSER)

    assert page_address.path == "/console/exports"
    assert "The CSV of this report is too large to be answered at once" in waiting.text
    assert "It is queued" in waiting.text
    assert "download acme-2024-04.csv" in ready.text


def test_statement_of_too_many_lines_has_no_page_of_its_own(
    april: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_files, "MAX_ANSWER_BYTES", PDF.least_bytes_a_line - 1)
    query = {"customer_id": "acme", "period": "2024-04"}

    for path in ("/console/statement", "/console/statement/progress"):
        answer = april.get(path, params=query, headers=BROWSER)
        assert answer.status_code == 303
        assert answer.url.join(answer.headers["location"]).path == f"{APRIL}.pdf"


@pytest.mark.usefixtures("tiny_answers")
def test_statement_that_turns_out_too_large_lacks_its_end(april: httpx.Client) -> None:
    query = {"customer_id": "acme", "period": "2024-04"}

    cut = april.get("/console/statement/progress", params=query)

    assert cut.content.startswith(b"0 of 1\n")
    assert b"%%EOF" not in cut.content


@pytest.mark.usefixtures("tiny_answers")
def test_customer_whose_id_has_slashes_is_led_to_the_same_place(api: httpx.Client) -> None:
    register(api, customers={"a/b": "UTC"})
    post(api, lead("l1", action(), customer_id="a/b")).raise_for_status()

    for path in ("/billing/reports/a%2Fb/2024-04.csv", "/billing/reports/a/b/2024-04.csv"):
        answer = api.get(path)
        assert answer.url.join(answer.headers["location"]).path.startswith("/exports/")


@pytest.mark.usefixtures("tiny_answers")
def test_service_without_a_place_for_files_says_so(
    april: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FILE_STORE_DIR")
    settings.cache_clear()

    answer = april.get(f"{APRIL}.csv")

    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:lead-billing:problem:no-file-store"
    assert "too large to be answered, and this service keeps no files" in answer.json()["detail"]
    assert april.get("/exports").json()["data"] == []


def test_file_of_a_report_can_be_ordered_like_any_export(
    april: httpx.Client, file_folder: Path
) -> None:
    whole = april.get(f"{APRIL}.csv").content
    body = {"kind": "report", "format": "csv", "period": "2024-04", "customer_ids": ["acme"]}

    asked = april.post("/exports", json=body)
    none = april.post("/exports", json={key: body[key] for key in ("kind", "format", "period")})
    assert work()

    assert asked.status_code == 202
    assert none.json()["errors"][0]["code"] == "one_customer"
    (kept,) = (file_folder / "exports").iterdir()
    assert gzip.decompress(kept.read_bytes()) == whole


def test_export_of_a_report_that_ends_with_a_later_month_is_empty(acme: httpx.Client) -> None:
    post(acme, lead("l1", action("Visit", "2024-05-02T10:00:00Z"))).raise_for_status()
    acme.post("/billing/periods/2024-05/close").raise_for_status()

    assert acme.get(f"{APRIL}.csv").status_code == 200
