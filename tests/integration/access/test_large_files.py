"""A large file of a report: its export is the asking key's, and shows people to who sees them."""

from pathlib import Path

import httpx
import pytest

from common.settings import settings
from services.reports import report_files
from tests.integration.access.conftest import As
from tests.support.exports import work

APRIL_FILE = "/billing/reports/acme/2024-04.csv"


@pytest.fixture(autouse=True)
def large_files(
    two_customers: httpx.Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two customers whose files are too large to be answered."""
    monkeypatch.setattr(report_files, "MAX_ANSWER_BYTES", 600)
    monkeypatch.setenv("FILE_STORE_DIR", str(tmp_path))
    settings.cache_clear()


def test_each_key_has_an_export_of_its_own(admin: httpx.Client, client_as: As) -> None:
    keys = [admin, client_as("viewer"), client_as("viewer", "acme")]

    found = [key.get(APRIL_FILE).json()["export_id"] for key in keys for _ in range(2)]

    assert found[::2] == found[1::2]
    assert len(set(found)) == 3
    assert client_as("viewer", "beta").get(APRIL_FILE).status_code == 404
    assert client_as("viewer", "beta").get(f"/exports/{found[-1]}").status_code == 404


def test_file_with_people_is_hidden_from_who_sees_none(admin: httpx.Client, client_as: As) -> None:
    viewer, other = client_as("viewer"), client_as("viewer+people")
    full = admin.get(APRIL_FILE, params={"unmasked": "true"})
    assert work()

    for path in (
        f"/exports/{full.json()['export_id']}",
        f"/exports/{full.json()['export_id']}/file",
    ):
        assert viewer.get(path).status_code == 404
        assert other.get(path).status_code in {200, 303}
    assert viewer.get("/exports").json()["data"] == []
    assert len(other.get("/exports").json()["data"]) == 1
    assert viewer.get(APRIL_FILE, params={"unmasked": "true"}).status_code == 403
