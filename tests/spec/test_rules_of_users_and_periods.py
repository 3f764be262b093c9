"""Sections 0 and 1 of the billing rules: who is who, and periods.

Each case runs on the oracle, which is plain Python (`make test-unit`), and on the product with its
SQL. Those that ask for `product` are about requests, of which the oracle knows nothing. The
other test_rules_of_….py files have the other sections.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.spec.billing import Billing
from tests.support.api import report

if TYPE_CHECKING:
    from tests.spec.with_sql import ProductBilling


# --- 0. Who is who


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("email ann@x.example, phone +15550100", "email ann@x.example, phone +15550199"),
        ("phone +15550100, external_id 7", "phone +15550100, external_id 8"),
        ("external_id 7", "external_id 7"),
    ],
)
def test_a_user_is_known_by_email_else_by_phone_else_by_external_id(
    billing: Billing, first: str, second: str
) -> None:
    billing.post(f"""
        lead | user     | day
        l1   | {first}  | 1 April
        l2   | {second} | 2 April
    """)

    billing.bill("April").shows("""
        lead | billed | duplicate | outcome   | repeats
        l1   | 10.00  | 0.00      | billed    | -
        l2   | 0.00   | 10.00     | duplicate | l1
    """)


def test_leads_with_another_email_are_of_another_user_though_the_phone_is_the_same(
    billing: Billing,
) -> None:
    billing.post("""
        lead | user                                 | day
        l1   | email ann@x.example, phone +15550100 | 1 April
        l2   | email bob@x.example, phone +15550100 | 2 April
        l3   | phone +15550100                      | 3 April
    """)

    assert billing.bill("April").totals["billed"] == "30.00"


def test_the_same_email_at_two_customers_is_two_users(billing: Billing) -> None:
    billing.register("globex")
    billing.post("""
        lead | customer | user
        l1   | acme     | Ann
        l2   | globex   | Ann
    """)

    assert billing.bill("April", "acme").totals["billed"] == "10.00"
    assert billing.bill("April", "globex").totals["billed"] == "10.00"


@pytest.mark.parametrize(
    ("first", "second", "billed"),
    [
        ("email Ann@X.Example", "email ann@x.example", "10.00"),
        ("email straße@x.example", "email strasse@x.example", "20.00"),
        ("phone +1 (555) 01-00", "phone +15550100", "10.00"),
        ("phone +15550100", "phone 15550100", "20.00"),
        ("external_id a", "external_id A", "20.00"),
    ],
)
def test_emails_are_compared_in_lower_case_phones_by_digits_external_ids_as_text(
    billing: Billing, first: str, second: str, billed: str
) -> None:
    billing.post(f"""
        lead | user
        l1   | {first}
        l2   | {second}
    """)

    assert billing.bill("April").totals["billed"] == billed


TWO_LEADS_WITHOUT_USER = """
    lead | user | day
    l1   | -    | 1 April
    l2   | -    | 2 April
"""


def test_leads_without_user_are_billed_under_one_fallback_user(billing: Billing) -> None:
    billing.post(TWO_LEADS_WITHOUT_USER)

    billing.bill("April").shows("""
        lead | billed | duplicate | outcome
        l1   | 10.00  | 0.00      | billed
        l2   | 0.00   | 10.00     | duplicate
    """)


def test_each_customer_has_a_fallback_user_of_its_own(billing: Billing) -> None:
    billing.register("globex")
    billing.post("""
        lead | customer | user
        l1   | acme     | -
        l2   | globex   | -
    """)

    assert billing.bill("April", "globex").totals["billed"] == "10.00"


def test_the_report_says_how_many_leads_had_no_user(product: ProductBilling) -> None:
    product.post(TWO_LEADS_WITHOUT_USER)

    (warning,) = report(product.client, "acme", "2024-04")["warnings"]

    assert warning["code"] == "leads_without_user"
    assert "2 of 2 leads" in warning["detail"]


def test_with_per_lead_each_lead_without_user_has_one_of_its_own(billing: Billing) -> None:
    billing.give_each_lead_without_user_its_own()
    billing.post(TWO_LEADS_WITHOUT_USER)

    assert billing.bill("April").totals["billed"] == "20.00"


# --- 1. Period


def test_a_month_is_one_of_the_customers_time_zone(billing: Billing) -> None:
    billing.register("acme", "Europe/Berlin")
    billing.register("globex", "UTC")
    billing.post("""
        lead | customer | day
        l1   | acme     | 30 April 22:30
        l2   | globex   | 30 April 22:30
    """)

    assert billing.bill("May", "acme").totals["billed"] == "10.00"
    assert billing.bill("April", "globex").totals["billed"] == "10.00"


def test_a_month_includes_its_start_and_excludes_its_end(billing: Billing) -> None:
    billing.post("""
        lead | action | day
        l1   | Call   | 31 March 23:59:59.999999
        l1   | Share  | 1 April 00:00
        l1   | Click  | 30 April 23:59:59.999999
        l1   | Like   | 1 May 00:00
    """)

    billing.bill("April").shows("""
        action | billed
        Share  | 10.00
        Click  | 10.00
    """)


def test_an_action_belongs_to_the_month_of_its_own_timestamp(billing: Billing) -> None:
    billing.post("""
        lead | created  | day
        l1   | 31 March | 1 May
    """)

    assert billing.bill("March").lines == []
    assert billing.bill("May").totals["billed"] == "10.00"


def test_the_time_zone_is_fixed_once_there_is_a_final_report(product: ProductBilling) -> None:
    product.post("""
        lead | day
        l1   | 1 April
    """)
    product.close("April")
    body = {"name": "acme", "email": "acme@partner.example", "timezone": "Europe/Berlin"}

    answer = product.client.put("/customers/acme", json=body)

    assert answer.status_code == 409
    assert [error["code"] for error in answer.json()["errors"]] == ["timezone_fixed"]


@pytest.mark.parametrize(
    ("zone", "last_of_before", "first", "months"),
    [
        # On 1 April 2016 clocks in Amman went from midnight to one o'clock.
        ("Asia/Amman", "2016-03-31T21:59:59Z", "2016-03-31T22:00:00Z", ("2016-03", "2016-04")),
        # On 1 November 2020 clocks in Havana went back from one o'clock to midnight.
        ("America/Havana", "2020-11-01T03:59:59Z", "2020-11-01T04:00:00Z", ("2020-10", "2020-11")),
    ],
    ids=["skipped", "twice"],
)
def test_a_month_starts_at_the_first_midnight_or_where_midnight_is_skipped(
    billing: Billing, zone: str, last_of_before: str, first: str, months: tuple[str, str]
) -> None:
    billing.register("acme", zone)
    billing.post(f"""
        lead | created              | action | day
        l1   | 2016-01-01T00:00:00Z | Call   | {last_of_before}
        l1   | 2016-01-01T00:00:00Z | Share  | {first}
    """)

    for month, action in zip(months, ("Call", "Share"), strict=True):
        billing.bill(month).shows(f"""
            action   | billed
            {action} | 10.00
        """)
