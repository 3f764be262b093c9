"""Numbers, dates, terms, parties and unit prices of statements."""

import csv
import io
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pypdf
import pytest
from pydantic import ValidationError
from sqlalchemy import text

from common.billing_period import Period
from common.closing.close_period import close_period
from common.database.errors import StatementRefused
from common.database.transactions import transaction
from common.identifiers import customer_id
from common.settings import Settings
from tests.support.api import action, lead, post, register
from tests.support.tampering import tamper
from tests.support.verification import run_offline

APRIL = "2024-04"
BILLING: dict[str, Any] = {
    "billing_address": "1 Main Street\nSpringfield",
    "tax_id": "DE 123",
    "payment_terms_days": 14,
    "billing_email": "Bills@Acme.test",
}


def closed(client: httpx.Client, *customers: str, period: str = APRIL) -> None:
    body = {"customer_ids": list(customers)} if customers else {}
    client.post(f"/billing/periods/{period}/close", json=body).raise_for_status()


def report(client: httpx.Client, customer: str, period: str = APRIL) -> Any:
    return client.get(f"/billing/reports/{customer}/{period}").raise_for_status().json()


def put(client: httpx.Client, customer: str = "acme", **members: Any) -> httpx.Response:
    body = {"name": "Acme", "email": f"{customer}@people.test"} | members
    return client.put(f"/customers/{customer}", json=body)


def numbers(client: httpx.Client) -> list[int]:
    found = [report(client, f"c-{number}")["number"] for number in range(6)]
    return sorted(int(number.rpartition("-")[2]) for number in found if number)


def roll_back(customer: str) -> None:
    """Closes April, and takes it back before the end of the transaction."""
    with transaction() as session:
        run = session.execute(
            text(
                "insert into billing_runs (period, actor) values ('2024-04-01', 'test') "
                "returning run_id"
            )
        ).scalar_one()
        assert close_period(session, customer_id(customer), Period.parse(APRIL), run)
        session.rollback()


def test_statement_is_numbered_by_period_customer_and_counter(april: httpx.Client) -> None:
    draft = report(april, "c-3")
    closed(april, "c-3")
    first = report(april, "c-3")
    closed(april, "c-1")

    assert (draft["number"], draft["issue_date"], draft["due_date"]) == (None, None, None)
    assert (first["number"], first["document_type"]) == ("2024-04-c-3-1", "statement")
    assert first["payment_terms_days"] == 30
    assert report(april, "c-1")["number"] == "2024-04-c-1-2"


def test_numbers_have_no_gap_when_customers_are_closed_at_once(april: httpx.Client) -> None:
    with ThreadPoolExecutor(6) as closers:
        list(closers.map(lambda number: closed(april, f"c-{number}"), range(6)))

    assert numbers(april) == [1, 2, 3, 4, 5, 6]


def test_close_that_is_rolled_back_uses_no_number(april: httpx.Client) -> None:
    closed(april, "c-0")
    for number in (1, 2):
        roll_back(f"c-{number}")
    closed(april)

    assert numbers(april) == [1, 2, 3, 4, 5, 6]


def test_numbers_have_no_gap_when_some_closes_fail_meanwhile(april: httpx.Client) -> None:
    def close_or_fail(number: int) -> None:
        if number % 2:
            roll_back(f"c-{number}")
        closed(april, f"c-{number}")

    with ThreadPoolExecutor(6) as closers:
        list(closers.map(close_or_fail, range(6)))

    assert numbers(april) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    "change", ["set last_number = last_number + 2", "set last_number = last_number - 1"]
)
def test_counter_only_counts_up(april: httpx.Client, change: str) -> None:
    closed(april, "c-0")

    with pytest.raises(StatementRefused, match="RestrictViolation"), transaction() as session:
        session.execute(text(f"update statement_numbers {change}"))
    with pytest.raises(StatementRefused, match="RestrictViolation"), transaction() as session:
        session.execute(text("delete from statement_numbers"))


def test_it_is_an_invoice_once_address_and_pattern_are_set(
    acme: httpx.Client, configured: Callable[..., None]
) -> None:
    configured(
        report_issuer="Leads Ltd",
        report_issuer_address="2 High Street\nLondon",
        report_issuer_tax_id="GB 42",
        statement_number_pattern="INV-{year}/{number:5}",
    )
    assert put(acme, **BILLING).status_code == 200
    post(acme, lead("lead-1", action())).raise_for_status()
    closed(acme)
    found = report(acme, "acme")
    path = f"/billing/reports/acme/{APRIL}"
    pdf = pypdf.PdfReader(io.BytesIO(acme.get(f"{path}.pdf").content)).pages[0].extract_text()
    page = acme.get(f"{path}.html").text
    row = next(csv.DictReader(io.StringIO(acme.get(f"{path}.csv").content.decode("utf-8-sig"))))

    assert {name: found[name] for name in (
        "document_type", "number", "issuer", "issuer_address", "issuer_tax_id",
        "customer_address", "customer_tax_id", "payment_terms_days",
    )} == {
        "document_type": "invoice",
        "number": "INV-2024/00001",
        "issuer": "Leads Ltd",
        "issuer_address": "2 High Street\nLondon",
        "issuer_tax_id": "GB 42",
        "customer_address": "1 Main Street\nSpringfield",
        "customer_tax_id": "DE 123",
        "payment_terms_days": 14,
    }  # fmt: skip
    assert [(price["engagement_level"], price["amount"]) for price in found["unit_prices"]] == [
        ("High", "10.00"),
        ("Medium", "5.00"),
        ("Low", "2.00"),
    ]
    for said in ("Invoice of leads", "INV-2024/00001", "London", "Springfield", "DE 123", "GB 42"):
        assert said in pdf, said
    for said in ("Invoice number", "INV-2024/00001", "Springfield", "Unit prices"):
        assert said in page, said
    assert (row["statement_number"], row["due_date"]) == ("INV-2024/00001", found["due_date"])


def test_what_is_final_keeps_its_terms_and_parties(
    acme: httpx.Client, configured: Callable[..., None]
) -> None:
    put(acme, **BILLING).raise_for_status()
    post(acme, lead("lead-1", action())).raise_for_status()
    closed(acme)
    before = report(acme, "acme")
    configured(report_issuer_address="Elsewhere", statement_number_pattern="{number}")
    put(acme, billing_address="", payment_terms_days=0).raise_for_status()

    assert report(acme, "acme") == before
    draft = report(acme, "acme", "2024-05")
    assert (draft["customer_address"], draft["payment_terms_days"]) == (None, 0)
    assert (draft["document_type"], draft["customer_tax_id"]) == ("invoice", "DE 123")


HASHED = {
    "document_type": "'invoice'",
    "number": "'2024-04-acme-2'",
    "issue_date": "issue_date - 1",
    "payment_terms_days": "7",
    "due_date": "due_date + 1",
    "issuer_address": "'Elsewhere'",
    "issuer_tax_id": "'X'",
    "customer_address": "null",
    "customer_tax_id": "'X'",
    "unit_prices": "'[[null, null, \"High\", 1]]'",
}


@pytest.mark.parametrize("field", HASHED)
def test_verify_names_each_changed_field(acme: httpx.Client, field: str) -> None:
    put(acme, **BILLING).raise_for_status()
    post(acme, lead("lead-1", action())).raise_for_status()
    closed(acme)
    address = f"/billing/reports/acme/{APRIL}/verify"
    assert acme.get(address).json()["verified"] is True

    tamper("billing_reports", f"update billing_reports set {field} = {HASHED[field]}")

    assert acme.get(address).json()["tampered_fields"] == [field]


@pytest.mark.parametrize("field", HASHED)
def test_offline_check_refuses_each_changed_field(
    acme: httpx.Client, tmp_path: Path, field: str
) -> None:
    put(acme, **BILLING).raise_for_status()
    post(acme, lead("lead-1", action())).raise_for_status()
    closed(acme)
    found, file = report(acme, "acme"), tmp_path / "report.json"
    file.write_text(json.dumps(found))
    assert run_offline(file).returncode == 0

    others: dict[str, Any] = {"payment_terms_days": 7, "issue_date": "2024-01-01"}
    others |= {"due_date": "2024-01-01", "unit_prices": found["unit_prices"][1:]}
    file.write_text(json.dumps(found | {field: others.get(field, "X")}))

    ended = run_offline(file)
    assert ended.returncode == 1
    assert "its hash is" in ended.stderr or "due date" in ended.stderr


def test_unit_prices_name_only_products_of_the_report(acme: httpx.Client) -> None:
    register(acme, customers={}, products="abc other")
    rates = [{"engagement_level": level, "amount": "3.00"} for level in ("High", "Medium", "Low")]
    rates += [
        {"engagement_level": "High", "amount": "4.00", "product_id": product}
        for product in ("abc", "other")
    ]
    card = {"name": "Own", "customer_id": "acme", "valid_from": APRIL, "rates": rates,
            "cap": {"amount": "100.00"}}  # fmt: skip
    acme.post("/rate-cards", json=card).raise_for_status()
    post(acme, lead("lead-1", action())).raise_for_status()

    draft = report(acme, "acme")["unit_prices"]
    closed(acme)

    assert draft == report(acme, "acme")["unit_prices"]
    assert [(price["product_id"], price["amount"]) for price in draft] == [
        (None, "3.00"), (None, "3.00"), (None, "3.00"), ("abc", "4.00"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("member", "value", "code"),
    [
        ("billing_address", "\n".join("123456789"), "too_many_lines"),
        ("billing_address", "a\x07b", "not_printable"),
        ("tax_id", "a\nBcc: x@y.example", "not_printable"),
        ("payment_terms_days", 366, "less_than_equal"),
        ("payment_terms_days", -1, "greater_than_equal"),
        ("billing_email", "nobody", "invalid_email"),
        ("billing_email", "a@b.example\nBcc: x@y.example", "invalid_email"),
        ("billing_email", "a@b.example, c@d.example", "invalid_email"),
        ("billing_email", "A <a@b.example>", "invalid_email"),
    ],
)
def test_billing_fields_are_checked(acme: httpx.Client, member: str, value: Any, code: str) -> None:
    refused = put(acme, **{member: value})

    assert refused.status_code == 422
    assert [(error["pointer"], error["code"]) for error in refused.json()["errors"]] == [
        (f"/{member}", code)
    ]


def test_billing_fields_stay_unless_sent_and_empty_ones_go(acme: httpx.Client) -> None:
    put(acme, **BILLING).raise_for_status()
    kept = put(acme).json()
    gone = put(acme, billing_address="", tax_id="", billing_email="").json()

    assert (kept["billing_email"], kept["payment_terms_days"]) == ("bills@acme.test", 14)
    assert [gone[name] for name in BILLING] == [None, None, 14, None]


@pytest.mark.parametrize(
    "pattern",
    ["INV", "{number}{number}", "{customer}{number}", "{number}{year}", "{number}-{day}",
     "{year:4}-{number}", "20{number}", "{number}\n", "x" * 70 + "{number}"],
)  # fmt: skip
def test_pattern_that_could_repeat_a_number_is_refused(pattern: str) -> None:
    with pytest.raises(ValidationError, match=re.compile("statement_number_pattern")):
        Settings(statement_number_pattern=pattern)


def test_nobody_but_closing_is_shown_the_counter(april: httpx.Client) -> None:
    closed(april, "c-0")

    with pytest.raises(StatementRefused, match="InsufficientPrivilege"), transaction() as session:
        session.execute(text("set role lead_billing_customer; select * from statement_numbers"))
