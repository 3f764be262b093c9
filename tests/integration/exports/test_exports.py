"""Exports: what each file holds, read back by a library of its format."""

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from common.billing_period import Period
from common.exports.accounting import quickbooks_table
from common.exports.invoices import Invoice, InvoiceLine, InvoiceTerms
from services.reports.render.files.writers import CsvStyle
from tests.support.api import PROJECT, action, lead, post, report
from tests.support.closing import USER, closed, post_late
from tests.support.disputes import disputed, line_of, resolved
from tests.support.exports import (
    ask_for,
    cents,
    csv_rows,
    exported,
    ndjson_rows,
    parquet_rows,
    xlsx_rows,
    zip_files,
)
from tests.support.reports import NOON

READERS: dict[str, Callable[[bytes], list[dict[str, Any]]]] = {
    "csv": csv_rows,
    "ndjson": ndjson_rows,
    "parquet": parquet_rows,
    "xlsx": xlsx_rows,
}


def register_beta(client: httpx.Client) -> None:
    body = {"name": "Beta", "email": "billing@beta.test"}
    client.put("/customers/beta", json=body).raise_for_status()


@pytest.fixture
def final_may(april_and_may: httpx.Client) -> httpx.Client:
    """May, final, with prior-period lines and a credit."""
    closed(april_and_may, "2024-04")
    post_late(april_and_may)
    dispute = disputed(april_and_may, action_id=line_of(april_and_may, "Like"))
    resolved(april_and_may, dispute)
    closed(april_and_may, "2024-05")
    return april_and_may


@pytest.mark.parametrize("format", READERS)
def test_amounts_of_all_rows_add_up_to_what_is_due(final_may: httpx.Client, format: str) -> None:
    rows = READERS[format](exported(final_may, "lines", format, period="2024-05"))

    bill = report(final_may, "acme", "2024-05")
    assert sum(cents(row["billed"]) for row in rows) == cents(bill["due"])
    assert [row["line_kind"] for row in rows] == ["prior_period"] * 2 + ["line"] * 1 + ["credit"]
    assert sorted(int(row["line_number"]) for row in rows) == [1, 2, 3, 4]
    assert {row["report_id"] for row in rows} == {bill["report_id"]}
    assert {(row["customer_id"], row["customer_name"]) for row in rows} == {("acme", "The acme")}
    assert cents(rows[-1]["billed"]) < 0


def test_numbers_of_lines_are_those_of_the_report(final_may: httpx.Client) -> None:
    rows = ndjson_rows(exported(final_may, "lines", "ndjson", period="2024-05"))

    bill = report(final_may, "acme", "2024-05")
    in_order = [line["action_id"] for line in bill["lines"] + bill["prior_period"]["lines"]]
    numbered = {row["line_number"]: row["action_id"] for row in rows if row["outcome"]}
    assert numbered == dict(enumerate(in_order, start=1))


def test_draft_and_final_reports_stand_in_one_file(april_and_may: httpx.Client) -> None:
    register_beta(april_and_may)
    post(april_and_may, lead("b", action(), customer_id="beta")).raise_for_status()
    closed(april_and_may, "2024-04", "acme")

    rows = ndjson_rows(exported(april_and_may, "lines", "ndjson"))

    assert {(row["customer_id"], row["report_status"]) for row in rows} == {
        ("acme", "final"),
        ("beta", "draft"),
    }
    only = ndjson_rows(exported(april_and_may, "lines", "ndjson", customer_ids=["beta"]))
    assert only == [row for row in rows if row["customer_id"] == "beta"]


@pytest.mark.parametrize("format", READERS)
def test_reports_have_a_row_each(final_may: httpx.Client, format: str) -> None:
    (row,) = READERS[format](exported(final_may, "reports", format, period="2024-05"))

    bill = report(final_may, "acme", "2024-05")
    assert cents(row["due"]) == cents(bill["due"])
    assert cents(row["billed"]) == cents(bill["totals"]["billed"])
    assert cents(row["billed"]) + cents(row["carried_over"]) == cents(row["due"])
    assert (row["status"], row["content_hash"]) == ("final", bill["content_hash"])


@pytest.mark.parametrize("lead_id", ["00123", "1E10", "3-4"])
def test_ids_stay_text_in_a_workbook(acme: httpx.Client, lead_id: str) -> None:
    post(acme, lead(lead_id, action())).raise_for_status()

    (row,) = xlsx_rows(exported(acme, "lines", "xlsx"))

    assert row["lead_id"] == lead_id
    assert row["billed"] == 10
    assert row["timestamp"].isoformat() == "2024-04-01T10:05:00"


def test_csv_takes_other_marks_and_holds_no_formula(acme: httpx.Client) -> None:
    post(acme, lead("=1+1", action("Form; really"))).raise_for_status()

    content = exported(acme, "lines", "csv", delimiter=";", decimal=",")

    (row,) = csv_rows(content, ";")
    assert row["lead_id"] == "'=1+1"
    assert (row["action_type"], row["billed"]) == ("Form; really", "10,00")


def test_decimal_comma_alone_brings_the_semicolon(acme: httpx.Client) -> None:
    post(acme, lead("l", action())).raise_for_status()

    (row,) = csv_rows(exported(acme, "lines", "csv", decimal=","), ";")

    assert row["billed"] == "10,00"
    assert CsvStyle() == (",", ".")


def test_users_are_masked(acme: httpx.Client) -> None:
    post(acme, lead("l", action(), user=USER)).raise_for_status()

    (row,) = ndjson_rows(exported(acme, "lines", "ndjson"))

    assert row["user"] == "a***@people.test"


def test_file_is_kept_gzipped_and_comes_as_the_client_likes(
    acme: httpx.Client, file_folder: Path
) -> None:
    post(acme, lead("l", action())).raise_for_status()

    content = exported(acme, "lines", "csv")

    (kept,) = (file_folder / "exports").iterdir()
    assert gzip.decompress(kept.read_bytes()) == content
    address = f"/exports/{kept.name}/file"
    plain = acme.get(address, headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == content
    assert acme.get(address).headers["content-encoding"] == "gzip"
    assert "lines-2024-04.csv" in plain.headers["content-disposition"]


INVOICE_COLUMNS = {
    "quickbooks": ("*InvoiceNo", "*Customer", "*ItemAmount", "*InvoiceDate", "*DueDate"),
    "xero": ("*InvoiceNumber", "*ContactName", "*UnitAmount", "*InvoiceDate", "*DueDate"),
    "csv": ("invoice_number", "customer_name", "amount", "invoice_date", "due_date"),
}


@pytest.mark.parametrize("format", INVOICE_COLUMNS)
def test_invoice_adds_up_to_what_its_report_is_due(final_may: httpx.Client, format: str) -> None:
    rows = csv_rows(exported(final_may, "invoices", format, period="2024-05"))

    number, customer, value, issued, due = INVOICE_COLUMNS[format]
    bill = report(final_may, "acme", "2024-05")
    assert sum(cents(row[value]) for row in rows) == cents(bill["due"])
    named = bill["number"]
    if format == "quickbooks" and len(named) > 21:
        named = bill["report_id"].replace("-", "")[:21]
    assert {(row[number], row[customer]) for row in rows} == {(named, "The acme")}
    assert {row[issued] for row in rows} == {bill["issue_date"]}
    assert {row[due] for row in rows} == {bill["due_date"]}
    assert len(rows) == 3  # of the product, of earlier months, of credits


def test_numbers_too_long_for_quickbooks_stay_apart() -> None:
    terms = InvoiceTerms("2024-04-a-customer-of-a-long-name-1", NOON.date(), NOON.date(), "Net 30")
    line = InvoiceLine("abc", "ABC", 100)
    invoices = [
        Invoice(
            "a",
            "A",
            "a@people.test",
            str(uuid4()),
            Period.parse("2024-04"),
            terms._replace(number=number),
            [line],
        )
        for number in (terms.number, terms.number[:-1] + "2")
    ]

    rows = list(quickbooks_table(iter(invoices)).rows)

    assert len({row[0] for row in rows}) == 2
    assert all(len(row[0]) == 21 for row in rows)


def test_draft_is_no_invoice(april_and_may: httpx.Client) -> None:
    assert csv_rows(exported(april_and_may, "invoices", "xero")) == []


def test_verification_holds_what_the_offline_check_needs(
    final_may: httpx.Client, tmp_path: Path
) -> None:
    files = zip_files(exported(final_may, "verification", None, period="2024-05"))

    folders = {name.split("/")[0] for name in files if "/" in name}
    assert folders == {"00001-acme-2024-05"}
    paths = []
    for name, content in files.items():
        if name.endswith(".json"):
            paths.append(tmp_path / name.replace("/", "-"))
            paths[-1].write_bytes(content)
    script = PROJECT / "scripts" / "verify_report.py"
    said = subprocess.run(
        [sys.executable, script, *sorted(paths)], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr


@pytest.mark.parametrize(
    ("kind", "format", "members", "refused"),
    [
        ("lines", "xero", {}, ("/format", "unknown_combination")),
        ("reports", "quickbooks", {}, ("/format", "unknown_combination")),
        ("verification", "csv", {}, ("/format", "unknown_combination")),
        ("lines", None, {}, ("/format", "missing_field")),
        ("lines", "xlsx", {"delimiter": ";"}, ("/delimiter", "not_for_this_format")),
        ("lines", "csv", {"customer_ids": ["nobody"]}, ("/customer_ids/0", "unknown_customer")),
        ("lines", "csv", {"period": "2024-13"}, ("/period", "invalid_period")),
        ("lines", "csv", {"delimter": ";"}, ("/delimter", "unknown_field")),
    ],
)
def test_what_cannot_be_exported_is_refused_by_name(
    acme: httpx.Client,
    kind: str,
    format: str | None,
    members: dict[str, Any],
    refused: tuple[str, str],
) -> None:
    answer = ask_for(acme, kind, format, **members)

    assert answer.status_code == 422
    assert refused in [(each["pointer"], each["code"]) for each in answer.json()["errors"]]


def test_exported_lines_imported_at_another_customer_come_to_the_same_bill(
    acme: httpx.Client,
) -> None:
    for number in range(12):
        who = {"email": f"u{number % 4}@people.test"}
        acts = [action(f"Form {number % 3}", f"2024-04-{day:02}T10:00:00Z") for day in (2, 3, 9)]
        post(acme, lead(f"lead-{number}", *acts, user=who)).raise_for_status()
    post(acme, lead("nobody", action("Visit", "2024-04-05T10:00:00Z", "Low"), user=None))
    content = exported(acme, "lines", "csv")
    register_beta(acme)
    mapping = {
        "columns": {"user.external_id": "user_key"},
        "constants": {"customer_id": "beta", "created_at": "2024-04-01T00:00:00Z"},
    }
    # The file has a customer of its own.
    text = content.replace(b"customer_id,", b"exported_from,", 1)

    query = {"mapping": json.dumps(mapping)}
    imported = acme.post(
        "/imports", content=text, params=query, headers={"content-type": "text/csv"}
    )

    assert imported.status_code == 201, imported.text
    assert imported.json()["refused"] == 0
    one, other = (report(acme, customer, "2024-04") for customer in ("acme", "beta"))
    assert other["totals"] == one["totals"]
    assert other["totals"]["savings"]["duplicate"] != "0.00"
    assert [line["billed"] for line in other["lines"]] == [line["billed"] for line in one["lines"]]
