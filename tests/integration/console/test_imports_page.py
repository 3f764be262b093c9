"""The console's page of imports, without a browser."""

import re
import threading
from pathlib import Path

import httpx
import pytest
from moto import mock_aws

from common.file_store import store
from common.settings import settings
from tests.support.api import register
from tests.support.console import text_of
from tests.support.imports import DATA, generic_csv, generic_row
from tests.support.uploads import ask, put, work, work_all

POLICY = "content-security-policy"


@pytest.fixture(autouse=True)
def _registered(console: httpx.Client) -> None:
    """Acme and abc are known."""
    register(console)


def send(
    console: httpx.Client, content: bytes, do: str, name: str = "april.csv", **fields: str
) -> httpx.Response:
    files = {"file": (name, content, "text/csv")}
    return console.post("/console/imports", data=fields | {"do": do}, files=files)


def stored(console: httpx.Client) -> int:
    answer = console.get("/leads", headers={"accept": "application/json"})
    return len(answer.raise_for_status().json()["data"])


def test_dry_run_shows_the_first_rows_as_leads_and_stores_nothing(console: httpx.Client) -> None:
    content = generic_csv(generic_row("first"), generic_row("odd", engagement_level="Huge"))

    answer = send(console, content, "dry")

    assert answer.status_code == 200
    words = text_of(answer)
    assert "Nothing was stored. Of 2 rows in april.csv: 1 created, 1 invalid." in words
    assert "1 first acme abc Website Visit 2024-04-01T09:55:00Z ann@people.test" in words
    assert "2 /actions/0/engagement_level must be High, Medium or Low" in words
    assert stored(console) == 0


def test_file_is_imported_and_its_refused_rows_are_offered(console: httpx.Client) -> None:
    content = generic_csv(generic_row("first"), generic_row("odd", engagement_level="Huge"))

    answer = send(console, content, "import")

    assert answer.status_code == 303
    shown = console.get(f"/console/{answer.headers['location'].rpartition('/')[2]}")
    assert "april.csv: 2 of 2 rows are done: 1 created, 1 invalid." in text_of(shown)
    (address,) = re.findall(r'href="(?:\.\./)*(imports/[^"]+/refused.csv)"', shown.text)
    assert "unknown_engagement_level" in console.get(f"/{address}").text
    assert stored(console) == 1
    assert "april.csv" in text_of(console.get("/console/imports"))


def test_fields_of_the_form_hold_for_all_rows(console: httpx.Client) -> None:
    answer = send(
        console,
        (DATA / "hubspot.csv").read_bytes(),
        "import",
        preset="hubspot",
        customer_id="acme",
        product_id="abc",
        lead_type="Referral",
        engagement_level="Low",
        time_zone="Europe/Paris",
        mapping='{"columns": {"user.external_id": "Contact owner"}}',
    )

    assert answer.status_code == 303
    assert stored(console) == 3


@pytest.mark.parametrize(
    ("content", "fields", "status", "words"),
    [
        (b"", {}, 422, "Choose a file that is not empty"),
        (b"a,b\n1,2\n", {}, 422, "The mapping does not fit the file"),
        (b"\0", {}, 400, "U+0000"),
        (b"x", {"mapping": "{"}, 422, "The mapping is not JSON"),
        (b"x", {"time_zone": "Berlin"}, 422, "The mapping was refused"),
        (b"x" * (7 * 1024 * 1024), {}, 413, "a request may hold"),
    ],
)
def test_refused_file_is_said_so_and_the_form_keeps_its_fields(
    console: httpx.Client, content: bytes, fields: dict[str, str], status: int, words: str
) -> None:
    answer = send(console, content, "import", **fields)

    assert answer.status_code == status
    assert words.lower() in text_of(answer).lower()
    for value in fields.values():
        assert value in answer.text


def test_file_with_any_bytes_arrives_as_it_is(console: httpx.Client) -> None:
    content = generic_csv(generic_row("é\r\n--x", email="a@b.c")).decode().encode("utf-16")

    assert "é" in text_of(send(console, content, "dry"))
    other = console.post("/console/imports", data={"do": "dry"})
    assert other.status_code == 400


def test_mapping_of_a_tried_file_is_stored_and_chosen_later(console: httpx.Client) -> None:
    content = (DATA / "hubspot.csv").read_bytes()
    fields = {
        "preset": "hubspot",
        "customer_id": "acme",
        "product_id": "abc",
        "lead_type": "Referral",
        "engagement_level": "Low",
        "time_zone": "Europe/Paris",
        "mapping": '{"columns": {"user.external_id": "Contact owner"}}',
    }
    assert "Store the mapping" in text_of(send(console, content, "dry", **fields))

    answer = send(console, b"", "save", mapping_name="our-hubspot", **fields)

    assert answer.status_code == 303
    page = console.get(f"/console/{answer.headers['location'].rpartition('/')[2]}")
    assert "The mapping our-hubspot is stored." in text_of(page)
    assert "<option selected>our-hubspot</option>" in page.text
    assert send(console, content, "import", preset="our-hubspot").status_code == 303
    assert stored(console) == 3


@pytest.mark.parametrize("name", ["", "a b", "hubspot"])
def test_mapping_is_not_stored_under_a_name_it_cannot_have(
    console: httpx.Client, name: str
) -> None:
    answer = send(console, b"", "save", mapping_name=name)

    assert answer.status_code == 422
    assert console.get("/mappings", headers={"accept": "*/*"}).json()["data"] == []


@pytest.fixture
def with_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILE_STORE_DIR", str(tmp_path / "files"))
    settings.cache_clear()


@pytest.mark.usefixtures("with_files")
def test_script_gets_an_address_for_a_large_file_and_the_page_shows_its_progress(
    console: httpx.Client,
) -> None:
    content = generic_csv(*(generic_row(f"l-{n}", customer_id="") for n in range(1_001)))
    fields = {"do": "address", "file_name": "big.csv", "file_bytes": str(len(content))}
    form = fields | {"preset": "generic", "customer_id": "acme"}
    parts = {name: (None, value) for name, value in form.items()}

    asked = console.post("/console/imports", files=parts, headers={"accept": "application/json"})

    begun = asked.raise_for_status().json()
    shown = f"/console/imports?id={begun['import_id']}"
    assert "big.csv has not arrived yet" in text_of(console.get(shown))
    put(console, begun, content).raise_for_status()
    assert "the file has arrived, and waits to be read" in text_of(console.get(shown))
    stopping = threading.Event()
    stopping.set()
    work(stopping)
    half = console.get(shown)
    assert "1,000 of 1,001 rows are done." in text_of(half)
    assert "data-follow" in half.text
    work_all()
    done = console.get(shown)
    assert "big.csv: 1,001 of 1,001 rows are done: 1,001 created." in text_of(done)
    assert "data-follow" not in done.text


@pytest.mark.usefixtures("with_files")
def test_file_that_was_refused_as_a_whole_says_why(console: httpx.Client) -> None:
    begun = ask(console, b"PK\x03\x04", file_name="leads.xlsx")
    put(console, begun, b"PK\x03\x04").raise_for_status()
    work_all()

    shown = text_of(console.get(f"/console/imports?id={begun['import_id']}"))

    assert "leads.xlsx was refused as a whole: the file is a workbook (XLSX)" in shown


@pytest.mark.usefixtures("with_files")
def test_wrong_mapping_gets_no_address(console: httpx.Client) -> None:
    parts = {"do": "address", "file_bytes": "5", "preset": "nobodys"}
    files = {name: (None, value) for name, value in parts.items()}

    asked = console.post("/console/imports", files=files, headers={"accept": "application/json"})

    assert asked.status_code == 422
    assert "nobodys" in asked.json()["detail"]


def test_page_says_what_a_large_file_needs_without_scripts(
    console: httpx.Client, request: pytest.FixtureRequest
) -> None:
    assert "At most 6 MB; make import takes larger ones." in text_of(
        console.get("/console/imports")
    )
    request.getfixturevalue("with_files")
    assert "Without scripts, make import takes larger ones" in text_of(
        console.get("/console/imports")
    )
    refused = send(console, b"x" * 7 * 1024 * 1024, "import")
    assert refused.status_code == 413
    assert "larger files are uploaded to an address of their own" in text_of(refused)


def test_page_may_send_to_the_bucket(
    console: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "connect-src 'self';" in console.get("/console/imports").headers[POLICY]
    monkeypatch.setenv("FILE_STORE_BUCKET", "files-of-tests")
    settings.cache_clear()
    with mock_aws():
        store._client.cache_clear()
        page = console.get("/console/imports")
        other = console.get("/console/exports")
    store._client.cache_clear()

    assert "connect-src 'self' https://files-of-tests.s3." in page.headers[POLICY]
    assert "connect-src 'self';" in other.headers[POLICY]
