"""`make import`: files of leads over the API and into a database."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.api import PROJECT
from tests.support.imports import DATA, generic_csv, generic_row


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scripts.import_leads", *map(str, arguments)],
        cwd=PROJECT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """1,200 good rows, one of them of an unknown level."""
    rows = [generic_row(f"lead-{number}") for number in range(1_199)]
    path = tmp_path / "leads.csv"
    path.write_bytes(generic_csv(*rows, generic_row("odd", engagement_level="Huge")))
    return path


def test_file_is_imported_over_the_api_and_again_changes_nothing(
    acme: httpx.Client, file: Path
) -> None:
    first, second = (run(file, "--api", acme.base_url) for _ in range(2))

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert "1200 rows: 1199 created, 1 invalid. 1199 actions were added." in first.stdout
    assert "1200 rows: 1199 unchanged, 1 invalid. 0 actions were added." in second.stdout
    refused = file.with_name("leads.refused.csv")
    lines = refused.read_text(encoding="utf-8-sig").splitlines()
    assert len(lines) == 2
    assert "unknown_engagement_level" in lines[1]

    refused.write_text(refused.read_text().replace("Huge", "Low"))
    mended = run(refused, "--api", acme.base_url)
    assert "1 rows: 1 created. 1 actions were added." in mended.stdout


def test_dry_run_over_the_api_says_the_same_and_stores_nothing(
    acme: httpx.Client, file: Path
) -> None:
    tried = run(file, "--dry-run", "--api", acme.base_url)

    assert tried.returncode == 0, tried.stderr
    assert "1200 rows: 1199 created, 1 invalid. 1199 actions would be added." in tried.stdout
    assert "odd" in file.with_name("leads.refused.csv").read_text()
    assert acme.get("/leads").json()["data"] == []


def test_file_is_imported_into_a_database_by_a_mapping(
    acme: httpx.Client, configured_database: str, tmp_path: Path
) -> None:
    mapping = tmp_path / "mapping.json"
    constants = {"customer_id": "acme", "product_id": "abc"}
    given = {"preset": "meta_lead_ads", "time_zone": "UTC", "constants": constants}
    mapping.write_text(json.dumps(given))

    file = DATA / "fb_lead_ads.csv"
    done = run(file, "--map", mapping, DATABASE_URL=configured_database)

    assert "3 rows: 3 created. 3 actions were added." in done.stdout, done.stderr
    assert len(acme.get("/leads").json()["data"]) == 3
    assert "2 rows" not in done.stdout
    again = run(file, "--map", mapping, "--from-row", 3, DATABASE_URL=configured_database)
    assert "1 unchanged" in again.stdout


def test_stored_mapping_is_used_by_its_name(acme: httpx.Client, configured_database: str) -> None:
    constants = {"customer_id": "acme", "product_id": "abc"}
    given = {"preset": "meta_lead_ads", "time_zone": "UTC", "constants": constants}
    acme.put("/mappings/our-forms", json=given).raise_for_status()
    file = DATA / "fb_lead_ads.csv"

    first = run(file, "--map", "our-forms", "--api", acme.base_url)
    again = run(file, "--map", "our-forms", DATABASE_URL=configured_database)
    unknown = run(file, "--map", "no-forms", DATABASE_URL=configured_database)

    assert "3 rows: 3 created." in first.stdout, first.stderr
    assert "3 rows: 3 unchanged." in again.stdout, again.stderr
    assert "no mapping is stored under 'no-forms'" in unknown.stderr


def test_import_that_stops_says_how_far_it_was(gateway: httpx.Client, file: Path) -> None:
    gateway.post("/keys", json={"name": "reader", "role": "viewer"}).raise_for_status()
    key = gateway.post("/keys", json={"name": "reader", "role": "viewer"}).json()["key"]

    stopped = run(file, "--api", gateway.base_url, API_KEY=key)

    assert stopped.returncode == 1
    assert "Stopped behind row 0 of 1200." in stopped.stdout
    assert "POST /leads answered 403" in stopped.stderr


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"a,b\n1,2\n", "/columns/lead_id"), (b"", "the file is empty"), (None, "No such file")],
)
def test_file_that_cannot_be_imported_is_refused_in_words(
    acme: httpx.Client, tmp_path: Path, content: bytes | None, words: str
) -> None:
    file = tmp_path / "x.csv"
    if content is not None:
        file.write_bytes(content)

    refused = run(file, "--api", acme.base_url)

    assert refused.returncode == 1
    assert words in refused.stderr
    assert "Traceback" not in refused.stderr
