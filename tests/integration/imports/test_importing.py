"""Importing rows into a database: outcomes, files again, and refused rows mended."""

import io
import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from common.identifiers import customer_id
from common.imports.files import form_of, read_rows, survey
from common.imports.importing import Batch, Send, import_rows, storing, trying
from common.imports.mapped_rows import RowMapper
from common.imports.presets import choose_mapping
from common.imports.refused_rows import RefusedRows
from common.leads.results import Status
from common.settings import settings
from tests.support.api import action, lead, post, report
from tests.support.imports import csv_of, generic_csv, generic_row

NOW = datetime(2024, 6, 1, tzinfo=UTC)


def store(owner: str | None = None) -> Send:
    return storing(settings(), NOW, customer_id(owner) if owner else None, 10)


def run(content: bytes, send: Send, **given: Any) -> tuple[list[Batch], str]:
    """The batches of a file, and the file of its refused rows."""
    mapping = choose_mapping(json.dumps(given)).whole
    stream = io.BytesIO(content)
    form = form_of(stream, mapping)
    held = survey(stream, form)
    mapper = RowMapper(mapping)
    mapper.require_columns(held)
    batches = list(import_rows(read_rows(stream, form), mapper, send))
    refused = RefusedRows(held.names, form, mapper)
    rows = [refusal for batch in batches for refusal in batch.refusals]
    return batches, refused.header() + refused.text(rows)


def statuses(batches: list[Batch]) -> dict[str, int]:
    total: Counter[Status] = sum((batch.statuses for batch in batches), Counter())
    return {status.value: count for status, count in total.items()}


def test_row_is_judged_as_a_posted_lead_is(acme: httpx.Client) -> None:
    post(acme, lead("known", action())).raise_for_status()
    content = generic_csv(
        generic_row("new"),
        generic_row("known", lead_type="Webinar"),
        generic_row("bad", engagement_level="Huge"),
        generic_row("lost", customer_id="nobody"),
        generic_row("odd", lead_type="Pigeon"),
    )

    batches, refused = run(content, store())

    assert statuses(batches) == {"created": 1, "conflict": 1, "invalid": 2, "quarantined": 1}
    assert [(each.row.number, each.status.value) for each in batches[0].refusals] == [
        (2, "conflict"),
        (3, "invalid"),
        (5, "invalid"),
    ]
    lines = refused.splitlines()
    assert lines[0].endswith(",refused_pointer,refused_code,refused_reason")
    assert "/actions/0/engagement_level,unknown_engagement_level" in lines[2]
    assert '"engagement_level: must be High, Medium or Low"' in lines[2]


def test_rows_of_one_lead_are_its_actions_also_across_batches(acme: httpx.Client) -> None:
    rows = [
        generic_row("one", timestamp=f"2024-04-02T10:{number // 60:02}:{number % 60:02}Z")
        for number in range(1_500)
    ]

    batches, _ = run(generic_csv(*rows), store())

    assert [batch.last_row for batch in batches] == [1_000, 1_500]
    assert sum(batch.actions_added for batch in batches) == 1_500
    assert report(acme, "acme", "2024-04")["totals"]["leads"] == 1


def test_same_file_again_changes_nothing(acme: httpx.Client) -> None:
    content = generic_csv(*(generic_row(f"lead-{number}") for number in range(10)))
    run(content, store())
    before = report(acme, "acme", "2024-04")["totals"]

    batches, _ = run(content, store())

    assert statuses(batches) == {"unchanged": 10}
    assert report(acme, "acme", "2024-04")["totals"] == before


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_refused_rows_mended_are_imported(acme: httpx.Client, delimiter: str) -> None:
    rows = [
        generic_row("good"),
        generic_row("bad", engagement_level="Huge", email="+49 é@x.test"),
        generic_row("=worse", engagement_level="Huge"),
    ]
    content = csv_of([generic_header(), *rows], delimiter=delimiter)
    _, refused = run(content, store())
    assert "'=worse" in refused

    batches, nothing = run(refused.replace(f"{delimiter}Huge", f"{delimiter}Low").encode(), store())

    assert statuses(batches) == {"created": 2}
    assert nothing.count("refused_pointer") == len(nothing.splitlines()) == 1
    ids = [item["lead_id"] for item in acme.get("/leads").raise_for_status().json()["data"]]
    assert sorted(ids) == ["=worse", "bad", "good"]


def test_trying_says_what_storing_does_and_stores_nothing(acme: httpx.Client) -> None:
    content = generic_csv(
        generic_row("new"), generic_row("bad", lead_type="x"), generic_row("", email="")
    )

    tried, _ = run(content, trying(settings(), NOW, None))

    assert acme.get("/leads").json()["data"] == []
    stored, _ = run(content, store())
    assert statuses(tried) == statuses(stored) == {"created": 1, "invalid": 2}


def test_row_of_another_customer_is_refused_for_a_key_of_one(acme: httpx.Client) -> None:
    batches, _ = run(generic_csv(generic_row(customer_id="acme")), store("beta"))

    assert batches[0].refusals[0].errors[0].code == "foreign_customer"


def generic_header() -> list[str]:
    return generic_csv().decode().strip().split(",")
