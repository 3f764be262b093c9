"""Mappings that are kept under a name."""

import httpx
import pytest

from tests.integration.access.conftest import entries
from tests.support.imports import csv_of

FILE = csv_of([["Nr", "when"], ["l-1", "2024-04-01T00:00:00Z"]])
MAPPING = {
    "preset": "generic",
    "columns": {"lead_id": "Nr", "created_at": "when"},
    "constants": {"customer_id": "acme", "product_id": "abc", "lead_type": "Webinar"},
    "actions": [],
}


def test_stored_mapping_is_chosen_by_its_name(acme: httpx.Client) -> None:
    first = acme.put("/mappings/shop.de", json=MAPPING)
    again = acme.put("/mappings/shop.de", json=MAPPING)

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["mapping"] == MAPPING
    assert acme.get("/mappings/shop.de").json() == first.json()
    assert acme.get("/mappings").json() == {"data": [first.json()]}
    imported = acme.post("/imports", params={"mapping": "shop.de"}, content=FILE)
    assert imported.json()["counts"]["created"] == 1
    changes = entries(acme, subject="mapping")
    assert [(each["action"], each["subject_id"]) for each in changes] == [("created", "shop.de")]


def test_preset_is_chosen_as_a_mapping_too(acme: httpx.Client) -> None:
    answer = acme.post("/imports", params={"mapping": "google_ads"}, content=b'{"lead_id": "1"}')

    assert answer.status_code == 422
    assert ("/columns/product_id", "missing_source") in [
        (error["pointer"], error["code"]) for error in answer.json()["errors"]
    ]


def test_deleted_mapping_is_gone(acme: httpx.Client) -> None:
    acme.put("/mappings/shop", json=MAPPING).raise_for_status()

    assert acme.delete("/mappings/shop").status_code == 204

    assert acme.delete("/mappings/shop").status_code == 404
    assert acme.get("/mappings/shop").status_code == 404
    assert acme.get("/mappings/a%00b").status_code in {404, 422}
    answer = acme.post("/imports", params={"mapping": "shop"}, content=FILE)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "unknown_mapping"
    assert entries(acme, subject="mapping", action="deleted")[0]["before"]["mapping"] == MAPPING


@pytest.mark.parametrize(
    ("name", "mapping", "code"),
    [
        ("hubspot", MAPPING, "name_of_preset"),
        ("{", MAPPING, "invalid_name"),
        ("shop", MAPPING | {"preset": "outlook"}, "enum"),
        ("shop", MAPPING | {"time_zone": "Mars"}, "unknown_time_zone"),
        ("shop", MAPPING | {"colour": "red"}, "unknown_field"),
    ],
)
def test_mapping_that_could_not_be_used_is_not_stored(
    acme: httpx.Client, name: str, mapping: object, code: str
) -> None:
    answer = acme.put(f"/mappings/{name}", json=mapping)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == code
    assert acme.get("/mappings").json()["data"] == []


def test_webhook_is_read_by_a_stored_mapping(acme: httpx.Client) -> None:
    acme.put("/mappings/shop", json=MAPPING).raise_for_status()
    body = {"Nr": "w-1", "when": "2024-04-01T10:00:00Z"}

    answer = acme.post("/leads", params={"mapping": "shop"}, json=body)

    assert answer.status_code == 201
    assert [lead["lead_id"] for lead in acme.get("/leads").json()["data"]] == ["w-1"]


def test_other_parameters_beside_a_mapping_are_refused(acme: httpx.Client) -> None:
    answer = acme.post("/leads", params={"mapping": "generic", "maping": "x"}, json={})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/query/maping"
