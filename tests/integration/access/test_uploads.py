"""Who may upload a file, and who sees what became of it."""

from pathlib import Path

import httpx
import pytest

from common.settings import settings
from tests.integration.access.conftest import As
from tests.support.imports import generic_csv, generic_row
from tests.support.uploads import ask, state_of, uploaded, work_all


@pytest.fixture(autouse=True)
def file_folder(configured_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILE_STORE_DIR", str(tmp_path / "files"))
    settings.cache_clear()


@pytest.mark.parametrize("role", ["viewer", "viewer+people"])
def test_viewer_gets_no_address(client_as: As, role: str) -> None:
    refused = client_as(role).post("/imports", params={"file_bytes": 5})

    assert refused.status_code == 403


def test_rows_of_another_customer_are_refused(two_customers: httpx.Client, client_as: As) -> None:
    acme = client_as("ingest", "acme")
    rows = [generic_row("own", customer_id=""), generic_row("foreign", customer_id="beta")]

    import_id = uploaded(acme, generic_csv(*rows))
    work_all()

    told = state_of(acme, import_id)
    assert (told["counts"]["created"], told["refused"]) == (1, 1)
    assert two_customers.get("/leads/own").json()["customer_id"] == "acme"
    assert two_customers.get("/leads/foreign").status_code == 404


def test_import_is_shown_to_its_customer_alone(two_customers: httpx.Client, client_as: As) -> None:
    awaiting = ask(client_as("ingest", "acme"))["import_id"]

    assert client_as("ingest", "acme").get(f"/imports/{awaiting}").status_code == 200
    assert client_as("ingest", "beta").get(f"/imports/{awaiting}").status_code == 404
    assert client_as("ingest").get(f"/imports/{awaiting}").status_code == 404
    assert two_customers.get(f"/imports/{awaiting}").status_code == 200
