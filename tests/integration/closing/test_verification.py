"""What a final report's hash is worth: whatever is changed in the database is found and named."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select, text

from common.catalog.models import Customer
from common.closing.verification import verify_report
from common.database.transactions import transaction
from common.final_reports.models import BillingReport
from tests.support.api import action, lead, post, register
from tests.support.tampering import tamper
from tests.support.verification import NAME, USER, address, close, run_offline, verified


def columns_of(table: str) -> list[str]:
    with transaction() as session:
        names = text("select column_name from information_schema.columns where table_name = :table")
        return list(session.scalars(names, {"table": table}))


@pytest.mark.parametrize(("period", "lines"), [("2024-04", 12), ("2024-05", 3), ("2024-06", 1)])
def test_untouched_report_is_verified_from_its_lines_and_from_the_actions(
    closed_months: httpx.Client, period: str, lines: int
) -> None:
    answer = verified(closed_months, period)

    assert answer["verified"] is True, answer
    assert answer["lines"] == lines
    assert answer["content_hash"] == answer["hash_of_stored_lines"] == answer["hash_of_actions"]
    assert (answer["tampered_lines"], answer["tampered_fields"]) == ([], [])


def test_report_is_verified_where_its_customer_was_read_before_it_was_closed(
    api: httpx.Client,
) -> None:
    register(api)
    post(api, lead("lead-1", action())).raise_for_status()
    with transaction() as session:
        customer = session.scalars(select(Customer)).one()
        assert customer.closed_through is None
        close(api, "2024-04")
        report = session.scalars(select(BillingReport)).one()

        assert verify_report(session, report).is_verified


def test_draft_and_month_closed_along_have_nothing_to_verify(closed_months: httpx.Client) -> None:
    assert closed_months.get(address("2024-07", "verify")).status_code == 404
    assert closed_months.get(address("2024-01", "verify")).status_code == 404
    assert closed_months.get(address("2024-13", "verify")).status_code == 422


@pytest.mark.parametrize(
    "change",
    [
        "billed_cents = 0, cap_cents = gross_cents",
        "action_type = 'Other'",
        "timestamp = timestamp + interval '1 microsecond'",
        "user_key = gen_random_uuid()",
        "cap_used_before_cents = 1",
    ],
)
def test_tampered_line_is_found_and_named(closed_months: httpx.Client, change: str) -> None:
    tamper(
        "billing_report_lines",
        f"update billing_report_lines set {change} where line_number = 3 "
        "and report_id = (select report_id from billing_reports where period = '2024-04-01')",
    )

    answer = verified(closed_months, "2024-04")

    assert answer["verified"] is False
    assert answer["tampered_line_count"] == 1
    (line,) = answer["tampered_lines"]
    assert (line["line_number"], line["lead_id"]) == (3, "l-1")


def test_line_whose_hash_was_made_anew_is_named_by_its_action(closed_months: httpx.Client) -> None:
    tamper(
        "billing_report_lines",
        "update billing_report_lines set billed_cents = 0, cap_cents = gross_cents, "
        "outcome = 'capped' where line_number = 2 "
        "and report_id = (select report_id from billing_reports where period = '2024-05-01')",
    )

    (line,) = verified(closed_months, "2024-05")["tampered_lines"]

    assert line["line_number"] == 2
    assert "was changed" in line["detail"]


def test_lines_whose_hash_was_tampered_with_are_named(closed_months: httpx.Client) -> None:
    tamper(
        "billing_report_line_blocks",
        "update billing_report_line_blocks set block_hash = sha256('') where period = '2024-04-01' "
        "and report_id = (select report_id from billing_reports where period = '2024-04-01')",
    )

    answer = verified(closed_months, "2024-04")

    assert (answer["verified"], answer["tampered_line_count"]) == (False, 12)
    assert "not with its hash" in answer["tampered_lines"][11]["detail"]


def test_deleted_line_is_named_by_its_number(closed_months: httpx.Client) -> None:
    tamper("billing_report_lines", "delete from billing_report_lines where line_number = 11")

    answer = verified(closed_months, "2024-04")

    assert answer["verified"] is False
    missing = [line["line_number"] for line in answer["tampered_lines"] if not line["action_id"]]
    assert missing == [11]


def test_line_that_tells_another_moment_of_what_it_repeats_is_named(
    closed_months: httpx.Client,
) -> None:
    tamper(
        "billing_report_lines",
        "update billing_report_lines set duplicate_of_timestamp = '2024-04-01T00:00:00Z' "
        "where outcome = 'duplicate' and line_number = 2 and period = '2024-04-01'",
    )

    (line,) = verified(closed_months, "2024-04")["tampered_lines"]

    assert line["line_number"] == 2
    assert "rated again" in line["detail"]


def test_lines_that_changed_places_are_named(closed_months: httpx.Client) -> None:
    tamper(
        "billing_report_lines",
        "update billing_report_lines set line_number = 7 - line_number where line_number in (3, 4) "
        "and report_id = (select report_id from billing_reports where period = '2024-04-01')",
    )

    answer = verified(closed_months, "2024-04")

    assert [line["line_number"] for line in answer["tampered_lines"]] == [3, 4]
    assert "another line" in answer["tampered_lines"][0]["detail"]


def test_added_line_is_named(closed_months: httpx.Client) -> None:
    columns = columns_of("billing_report_lines")
    copied = ", ".join(
        {"line_number": "13", "action_id": "gen_random_uuid()"}.get(name, name) for name in columns
    )
    tamper(
        "billing_report_lines",
        f"insert into billing_report_lines ({', '.join(columns)}) select {copied} "
        "from billing_report_lines where line_number = 11",
    )

    (line,) = verified(closed_months, "2024-04")["tampered_lines"]

    assert (line["line_number"], line["lead_id"]) == (13, "l-1")


def test_tampered_action_is_named(closed_months: httpx.Client) -> None:
    tamper("actions", "update actions set engagement_level = 'Low' where action_type = 'Late'")

    answer = verified(closed_months, "2024-05")

    assert answer["verified"] is False
    assert answer["content_hash"] == answer["hash_of_stored_lines"] != answer["hash_of_actions"]
    (line,) = answer["tampered_lines"]
    assert line["lead_id"] == "l-3"
    assert "rated again" in line["detail"]


@pytest.mark.parametrize(
    "change",
    ["timestamp = timestamp + interval '1 second'", "engagement_level = 'Low'"],
)
def test_line_and_action_that_were_tampered_with_alike_are_named(
    closed_months: httpx.Client, change: str
) -> None:
    tamper("actions", f"update actions set {change} where action_type = 'Late'")
    tamper(
        "billing_report_lines",
        f"update billing_report_lines set {change} where action_type = 'Late'",
    )

    (line,) = verified(closed_months, "2024-05")["tampered_lines"]

    assert line["lead_id"] == "l-3"
    assert "was changed" in line["detail"] or "hash" in line["detail"]


def test_tampered_total_is_named(closed_months: httpx.Client) -> None:
    tamper(
        "billing_reports", "update billing_reports set due_cents = 1 where period = '2024-04-01'"
    )

    answer = verified(closed_months, "2024-04")

    assert answer["verified"] is False
    assert (answer["tampered_fields"], answer["tampered_lines"]) == (["due"], [])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ("customer_name = 'Somebody else'", "customer_name"),
        ("product_names = jsonb_build_object('abc', 'Other')", "product_names"),
        ("issuer = 'Somebody else'", "issuer"),
        ("finalized_at = finalized_at - interval '1 microsecond'", "finalized_at"),
        ("timezone = 'UTC'", "timezone"),
        ("header = jsonb_set(header, array['5'], '1')", "issuer"),
    ],
)
def test_tampered_member_of_the_header_is_named(
    closed_months: httpx.Client, change: str, field: str
) -> None:
    tamper("billing_reports", f"update billing_reports set {change} where period = '2024-04-01'")

    answer = verified(closed_months, "2024-04")

    assert answer["verified"] is False
    assert (answer["tampered_fields"], answer["tampered_lines"]) == ([field], [])
    assert field in answer["detail"]


@pytest.mark.parametrize(
    "change",
    [
        "billed_cents = array[1::bigint]",
        "user_keys = array_fill(gen_random_uuid(), array[cardinality(user_keys)])",
        "product_ids = array_fill(gen_random_uuid(), array[cardinality(product_ids)])",
        "lead_types = array_fill('Webinar'::text, array[cardinality(lead_types)])",
    ],
)
def test_tampered_breakdown_is_named(closed_months: httpx.Client, change: str) -> None:
    tamper(
        "billing_report_lead_totals",
        f"update billing_report_lead_totals set {change} "
        "where report_id = (select report_id from billing_reports where period = '2024-04-01')",
    )

    answer = verified(closed_months, "2024-04")

    assert answer["verified"] is False
    assert (answer["tampered_fields"], answer["tampered_lines"]) == (["breakdown"], [])


def test_report_made_anew_breaks_the_chain(closed_months: httpx.Client) -> None:
    tamper(
        "billing_reports",
        "update billing_reports set content_hash = repeat('0', 64) where period = '2024-04-01'",
    )

    answer = verified(closed_months, "2024-05")

    assert answer["verified"] is False
    assert "report before it" in answer["detail"]


def test_tampered_credit_is_named(closed_months: httpx.Client) -> None:
    tamper(
        "billing_report_credits",
        "update billing_report_credits set credit_hash = sha256('') where credit_number = 2",
    )

    answer = verified(closed_months, "2024-05")

    assert (answer["verified"], answer["tampered_credits"]) == (False, [2])
    assert (answer["tampered_lines"], answer["tampered_fields"]) == ([], [])
    assert "credits differ: 2" in answer["detail"]
    assert verified(closed_months, "2024-04")["verified"] is True


def test_credit_of_a_line_that_was_tampered_with_is_named(closed_months: httpx.Client) -> None:
    tamper(
        "billing_report_lines",
        "update billing_report_lines set billed_cents = 1, cap_cents = gross_cents - 1, "
        "outcome = 'partially_capped' where line_number = 5 "
        "and report_id = (select report_id from billing_reports where period = '2024-04-01')",
    )

    assert verified(closed_months, "2024-05")["tampered_credits"] == [1]


def test_credit_whose_dispute_was_tampered_with_is_named(closed_months: httpx.Client) -> None:
    tamper("disputes", "update disputes set reason = 'spam'")

    assert verified(closed_months, "2024-05")["tampered_credits"] == [1, 2]


def test_deleted_credit_is_noticed(closed_months: httpx.Client) -> None:
    tamper("billing_report_credits", "delete from billing_report_credits where credit_number = 1")

    answer = verified(closed_months, "2024-05")

    assert (answer["verified"], answer["tampered_fields"]) == (False, ["credits", "due"])


def test_hash_covers_no_note_of_a_dispute(closed_months: httpx.Client) -> None:
    tamper("disputes", "update disputes set note = 'erased', decision_note = 'erased'")

    assert verified(closed_months, "2024-05")["verified"] is True


def test_report_of_several_blocks_is_read_and_verified_across_them(
    api: httpx.Client, tmp_path: Path
) -> None:
    register(api, customers={NAME: "UTC"}, products="abc")
    many = [action(f"Kind {number}", "2024-04-03T12:00:00Z", "Low") for number in range(600)]
    post(api, lead("l-1", *many, customer_id=NAME, user=USER)).raise_for_status()
    close(api, "2024-04")
    late = [action(f"Late {number}", "2024-04-02T12:00:00Z", "Low") for number in range(300)]
    post(api, lead("l-2", *late, customer_id=NAME, user=USER)).raise_for_status()
    close(api, "2024-05")

    pages: list[list[Any]] = []
    cursor = None
    while cursor is not None or not pages:
        parameters = {"limit": "240"} | ({"cursor": cursor} if cursor else {})
        page = api.get(f"{address('2024-04')}/lines", params=parameters).json()
        pages.append(page["data"])
        cursor = page["next_cursor"]
    whole = api.get(address("2024-04")).json()
    assert [len(page) for page in pages] == [240, 240, 120]
    assert [line for page in pages for line in page] == whole["lines"]
    files = [tmp_path / "april.json", tmp_path / "may.json"]
    for file, period in zip(files, ("2024-04", "2024-05"), strict=True):
        assert verified(api, period)["verified"] is True
        file.write_bytes(api.get(address(period)).content)
    assert "chain of 2" in run_offline(*files).stdout

    tamper(
        "billing_report_lines",
        "update billing_report_lines set user_key = gen_random_uuid() where line_number = 251 "
        "and report_id = (select report_id from billing_reports where period = '2024-04-01')",
    )
    assert [line["line_number"] for line in verified(api, "2024-04")["tampered_lines"]] == [251]


@pytest.mark.parametrize(
    ("table", "change", "name"),
    [
        ("leads", "update leads set external_id = 'l-9' where external_id = 'l-1'", "l-9"),
        ("products", "update products set external_id = 'x' where external_id = 'abc'", "x"),
    ],
)
def test_lead_or_product_with_another_name_is_found_and_named(
    closed_months: httpx.Client, table: str, change: str, name: str
) -> None:
    tamper(table, change)

    answer = verified(closed_months, "2024-04")

    assert (answer["verified"], answer["tampered_names"]) == (False, [name])
