"""Rows as leads: mappings, presets, and what is wrong with a mapping or a cell."""

import re
from typing import Any

import pytest
from pydantic import ValidationError

from common.imports.mapping import Mapping
from common.imports.presets import choose_mapping
from common.problems import Invalid
from tests.support.imports import DATA, GENERIC_HEADER, csv_of, generic_csv, generic_row, leads_of

GIVEN = {"customer_id": "acme", "product_id": "abc"}
EXPECTED = {
    "lead_id": "lead-1",
    "customer_id": "acme",
    "product_id": "abc",
    "lead_type": "Website Visit",
    "created_at": "2024-04-01T09:55:00Z",
    "user": {"email": "ann@people.test"},
    "actions": [
        {
            "action_type": "Form Submission",
            "timestamp": "2024-04-01T10:05:00Z",
            "engagement_level": "High",
        }
    ],
}


def file(name: str) -> bytes:
    return (DATA / name).read_bytes()


def with_preset(name: str, preset: str, **given: Any) -> list[Any]:
    return leads_of(file(name), preset, **given)


def form(at: str, action_type: str = "Form Submission", level: str = "High") -> list[Any]:
    return [{"action_type": action_type, "timestamp": at, "engagement_level": level}]


def test_generic_takes_a_column_for_each_field() -> None:
    assert leads_of(generic_csv(generic_row())) == [EXPECTED]


def test_generic_takes_leads_as_they_are_posted() -> None:
    leads = leads_of((DATA / "../../docs/samples/sample_leads.json").read_bytes())

    assert len(leads) == 4
    assert leads[0]["lead_id"] == "uuid-1"
    assert [action["action_type"] for action in leads[0]["actions"]] == [
        "Page View",
        "Form Submission",
    ]


def test_meta_lead_ads() -> None:
    leads = with_preset(
        "fb_lead_ads.csv", "meta_lead_ads", constants=GIVEN, time_zone="America/Chicago"
    )

    assert leads[0] == {
        "lead_id": "123",
        "customer_id": "acme",
        "product_id": "abc",
        "lead_type": "Social Media",
        "created_at": "2024-06-01T13:12:34Z",
        "user": {"email": "p1@people.example", "phone": "+1 555-4001"},
        "actions": form("2024-06-01T13:12:34Z"),
    }
    assert [lead["lead_id"] for lead in leads] == ["123", "124", "125"]


def test_meta_lead_ads_with_the_product_by_its_form() -> None:
    leads = with_preset(
        "fb_lead_ads.csv",
        "meta_lead_ads",
        columns={"product_id": "form_name"},
        values={"product_id": {"Meridian Tower Form": "tower", "Eden Park Form": "park"}},
        constants={"customer_id": "acme"},
        time_zone="UTC",
    )

    assert [lead["product_id"] for lead in leads] == ["tower", "tower", "park"]


def test_google_ads() -> None:
    constants = GIVEN | {
        "lead_type": "Website Visit",
        "created_at": "2024-04-01T10:00:00Z",
        "timestamp": "2024-04-01T10:00:00Z",
    }

    leads = with_preset("google_ads_webhook.json", "google_ads", constants=constants)

    assert leads == [
        {
            "lead_id": "TeSt_LeAd_iD",
            "customer_id": "acme",
            "product_id": "abc",
            "lead_type": "Website Visit",
            "created_at": "2024-04-01T10:00:00Z",
            "user": {"email": "p1@people.example", "phone": "+18005550100"},
            "actions": form("2024-04-01T10:00:00Z"),
        }
    ]


def test_test_lead_of_google_is_refused() -> None:
    content = file("google_ads_webhook.json").replace(
        b'"is_test":false', b'"is_test":true,"lead_submit_time":"2024-09-26T12:30:00Z"'
    )

    leads = leads_of(content, "google_ads", constants=GIVEN | {"lead_type": "Event"})

    assert leads == [[("", "test_lead")]]


def test_hubspot() -> None:
    leads = with_preset(
        "hubspot.csv",
        "hubspot",
        columns={"engagement_level": "Lead Status"},
        values={"engagement_level": {"NEW": "Low", "OPEN_DEAL": "High"}},
        constants=GIVEN | {"lead_type": "Website Visit"},
        time_zone="Europe/Paris",
    )

    assert leads[0]["lead_id"] == "101"
    assert leads[0]["created_at"] == "2024-03-12T08:14:00Z"
    assert leads[0]["actions"] == form("2024-03-12T08:14:00Z", "Contact Created", "Low")
    assert leads[1]["actions"] == form("2024-03-15T13:30:00Z", "Contact Created", "High")
    assert leads[1]["user"] == {"email": "P2@People.example"}
    # An empty cell is no value: ingestion says what is missing.
    assert "user" not in leads[2]
    assert "engagement_level" not in leads[2]["actions"][0]


def test_salesforce() -> None:
    leads = with_preset(
        "salesforce.csv",
        "salesforce",
        constants=GIVEN | {"lead_type": "Webinar", "engagement_level": "Medium"},
        time_zone="America/New_York",
    )

    assert leads[0]["lead_id"] == "00Q5e00001AAAAA"
    assert leads[0]["actions"] == form("2015-02-28T08:49:14Z", "Lead Created", "Medium")
    assert leads[1]["created_at"] == "2024-03-15T18:30:00Z"


def test_own_mapping_of_a_file_with_foreign_names() -> None:
    leads = with_preset(
        "semicolon_eu.csv",
        "generic",
        columns={"lead_id": "téléphone", "user.email": "EMAIL", "user.phone": "Téléphone"},
        constants=GIVEN | {"lead_type": "Referral", "created_at": "2024-04-01"},
        actions=[],
        time_zone="Europe/Paris",
    )

    assert leads == [
        {
            "lead_id": "06 12 34 56 78",
            "customer_id": "acme",
            "product_id": "abc",
            "lead_type": "Referral",
            "created_at": "2024-03-31T22:00:00Z",
            "user": {"email": "p1@people.example", "phone": "06 12 34 56 78"},
            "actions": [],
        }
    ]


def test_row_of_a_lead_with_several_actions() -> None:
    content = csv_of(
        [
            ["lead_id", "created_at", "visited", "booked"],
            ["1", "2024-04-01T00:00:00Z", "2024-04-02T00:00:00Z", "2024-04-03T00:00:00Z"],
            ["2", "2024-04-01T00:00:00Z", "", "2024-04-03T00:00:00Z"],
        ]
    )
    actions = [
        {
            "columns": {"timestamp": "visited"},
            "constants": {"action_type": "Visit", "engagement_level": "Low"},
        },
        {
            "columns": {"timestamp": "booked"},
            "constants": {"action_type": "Demo", "engagement_level": "High"},
        },
    ]

    leads = leads_of(content, constants=GIVEN | {"lead_type": "Event"}, actions=actions)

    assert [[a["action_type"] for a in lead["actions"]] for lead in leads] == [
        ["Visit", "Demo"],
        ["Demo"],
    ]


def test_cells_are_trimmed_and_constants_fill_empty_ones() -> None:
    content = generic_csv(generic_row(" lead-1 ", product_id="  "))

    (lead,) = leads_of(content, columns={"product_id": "product_id"}, constants={"product_id": "x"})

    assert (lead["lead_id"], lead["product_id"]) == ("lead-1", "x")


@pytest.mark.parametrize(
    ("row", "errors"),
    [
        (generic_row("1.23457E+12"), [("/lead_id", "rounded_number")]),
        (generic_row(timestamp="1.4.24"), [("/actions/0/timestamp", "invalid_timestamp")]),
        (
            generic_row(created_at="2024-04-01 10:00"),
            [("/created_at", "timestamp_without_offset")],
        ),
        ([*generic_row(), "more"], [("", "too_many_cells")]),
    ],
)
def test_cell_that_cannot_be_read_is_named(row: list[str], errors: list[Any]) -> None:
    assert leads_of(generic_csv(row)) == [errors]


def test_header_that_stands_in_the_file_again_is_a_row_that_is_refused() -> None:
    whole = generic_csv(generic_row())

    leads = leads_of(whole + whole)

    assert leads[0] == leads[2] == EXPECTED
    assert leads[1] == [
        ("/created_at", "invalid_timestamp"),
        ("/actions/0/timestamp", "invalid_timestamp"),
    ]


@pytest.mark.parametrize("text", ["5", "x", '{"a": 1}', "[NaN]", '["\\ud800"]', "[" * 100_000])
def test_actions_that_are_no_array_of_json_are_refused(text: str) -> None:
    header = [*GENERIC_HEADER, "actions"]

    leads = leads_of(csv_of([header, [*generic_row(), text]]))

    assert leads == [[("/actions", "invalid_json")]]


@pytest.mark.parametrize(
    ("given", "errors"),
    [
        ({"columns": {"lead_id": "no such"}}, [("/columns/lead_id", "unknown_column")]),
        (
            {"columns": {"timestamp": ["x", "y"]}},
            [("/columns/timestamp", "unknown_column")],
        ),
    ],
)
def test_mapping_that_does_not_fit_the_file_is_refused(given: Any, errors: list[Any]) -> None:
    with pytest.raises(Invalid, match="does not fit the file, whose columns are lead_id") as told:
        leads_of(generic_csv(generic_row()), **given)

    assert [(error.pointer, error.code) for error in told.value.errors] == errors


def test_field_without_a_source_is_refused_before_any_row() -> None:
    table = [[name for name in GENERIC_HEADER if name not in {"customer_id", "timestamp"}], ["1"]]

    with pytest.raises(Invalid) as told:
        leads_of(csv_of(table))

    assert [(error.pointer, error.code) for error in told.value.errors] == [
        ("/columns/customer_id", "missing_source"),
        ("/columns/timestamp", "missing_source"),
    ]


def test_file_without_actions_is_refused_unless_the_mapping_says_so() -> None:
    table = [GENERIC_HEADER[:6], generic_row()[:6]]

    with pytest.raises(Invalid, match="does not fit"):
        leads_of(csv_of(table))
    assert leads_of(csv_of(table), actions=[])[0]["actions"] == []


@pytest.mark.parametrize(
    "mapping",
    [
        {"columns": {"no_field": "x"}},
        {"time_zone": "Berlin"},
        {"date_format": "%d.%d"},
        {"date_format": "%c"},
        {"delimiter": "a"},
        {"delimiter": "\n"},
        {"encoding": "utf-7"},
        {"unknown": 1},
        {"actions": [{}] * 51},
    ],
)
def test_mapping_that_cannot_be_is_refused(mapping: Any) -> None:
    with pytest.raises(ValidationError):
        Mapping.model_validate(mapping)


def test_examples_of_the_page_of_imports_hold() -> None:
    page = (DATA / "../../docs/imports.md").read_text()
    (table,) = re.findall(r"```csv\n(.*?)```", page, re.DOTALL)
    mappings = re.findall(r"```json\n(.*?)```", page, re.DOTALL)

    assert leads_of(table.encode())[0]["lead_id"] == "l-1"
    assert [choose_mapping(text).preset.value for text in mappings] == [
        "generic",
        "meta_lead_ads",
        "google_ads",
        "hubspot",
        "salesforce",
        "lines",
    ]
