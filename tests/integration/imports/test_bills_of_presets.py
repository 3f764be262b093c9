"""The file of each preset, with the mapping that the page of imports shows for it: its bill."""

import json
import re
from typing import Any

import httpx
import pytest

from tests.support.api import register, report
from tests.support.imports import DATA

PAGE = (DATA / "../../docs/imports.md").read_text(encoding="utf-8")
SHOWN: dict[str, Any] = {
    mapping["preset"]: mapping
    for mapping in map(json.loads, re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))
}
MOMENT = "2024-04-01T10:00:00Z"


@pytest.fixture
def paris(api: httpx.Client) -> httpx.Client:
    """An API that knows acme in Paris, and the products abc and tower."""
    register(api, customers={"acme": "Europe/Paris"}, products="abc tower")
    return api


def imported(client: httpx.Client, name: str, mapping: Any) -> dict[str, int]:
    """The rows of a file by what became of them."""
    content = (DATA / name).read_bytes()
    answer = client.post("/imports", params={"mapping": json.dumps(mapping)}, content=content)
    assert answer.status_code == 201, answer.text
    return {status: count for status, count in answer.json()["counts"].items() if count}


def due(client: httpx.Client, period: str) -> str:
    return str(report(client, "acme", period)["due"])


def test_leads_of_meta_cost_a_high_action_each(paris: httpx.Client) -> None:
    counts = imported(paris, "fb_lead_ads.csv", SHOWN["meta_lead_ads"])

    assert counts == {"created": 2, "quarantined": 1}  # of a form whose product is not known
    assert due(paris, "2024-06") == "20.00"
    paris.put("/products/Eden Park Form", json={"name": "Eden Park"}).raise_for_status()
    paris.post("/quarantine/replay", json={}).raise_for_status()
    assert due(paris, "2024-06") == "30.00"


def test_lead_of_google_costs_a_high_action(paris: httpx.Client) -> None:
    mapping = SHOWN["google_ads"]
    mapping = mapping | {
        "constants": mapping["constants"] | {"created_at": MOMENT, "timestamp": MOMENT}
    }

    assert imported(paris, "google_ads_webhook.json", mapping) == {"created": 1}

    assert due(paris, "2024-04") == "10.00"


def test_contacts_of_hubspot_cost_what_their_status_says(paris: httpx.Client) -> None:
    counts = imported(paris, "hubspot.csv", SHOWN["hubspot"])

    assert counts == {"created": 2, "invalid": 1}  # the third has no status
    assert due(paris, "2024-03") == "12.00"  # Low and High
    constants = SHOWN["hubspot"]["constants"] | {"engagement_level": "Medium"}
    counts = imported(paris, "hubspot.csv", SHOWN["hubspot"] | {"constants": constants})
    assert counts == {"unchanged": 2, "created": 1}
    assert (due(paris, "2024-01"), due(paris, "2024-03")) == ("5.00", "12.00")  # midnight in Paris


def test_leads_of_salesforce_cost_what_the_mapping_says(paris: httpx.Client) -> None:
    assert imported(paris, "salesforce.csv", SHOWN["salesforce"]) == {"created": 2}

    assert (due(paris, "2015-02"), due(paris, "2024-03")) == ("5.00", "5.00")


def test_file_of_a_foreign_country_is_mapped_column_by_column(paris: httpx.Client) -> None:
    mapping = {
        "columns": {"lead_id": "Email", "user.phone": "Téléphone", "engagement_level": "Statut"},
        "values": {"engagement_level": {"Nouveau": "Low"}},
        "constants": {
            **{"customer_id": "acme", "product_id": "abc", "lead_type": "Referral"},
            **{"action_type": "Contact", "created_at": "01.04.2024", "timestamp": "01.04.2024"},
        },
        "time_zone": "Europe/Paris",
    }

    assert imported(paris, "semicolon_eu.csv", mapping) == {"created": 1}

    assert due(paris, "2024-04") == "2.00"
