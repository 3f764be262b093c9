"""Sections 5 to 7 of the billing rules: canonical order, totals, and part of a period."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from tests.spec.billing import Billing, leads_of
from tests.support.api import report

if TYPE_CHECKING:
    from tests.spec.with_sql import ProductBilling


# --- 5. Canonical order


def test_actions_are_ordered_by_timestamp_then_by_their_leads_creation(billing: Billing) -> None:
    billing.post("""
        lead | created   | day
        l1   | 3 January | 2 April
        l2   | 2 January | 2 April
        l3   | 4 January | 1 April
    """)

    billing.bill("April").shows("""
        lead | outcome   | repeats
        l3   | billed    | -
        l2   | duplicate | l3
        l1   | duplicate | l3
    """)


def test_actions_of_one_instant_in_one_lead_are_ordered_by_type_then_level(
    billing: Billing,
) -> None:
    billing.post("""
        lead | action | level
        l1   | share  | High
        l1   | Call   | Low
        l1   | Call   | High
        l1   | Call   | Medium
        l1   | Call   | High
    """)

    billing.bill("April").shows("""
        action | level  | outcome
        Call   | High   | billed
        Call   | High   | duplicate
        Call   | Medium | billed
        Call   | Low    | billed
        share  | High   | billed
    """)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_any_order_of_arrival_gives_the_same_bill(billing: Billing, order: tuple[int, ...]) -> None:
    leads = leads_of("""
        lead | created   | day
        l1   | 1 January | 2 April
        l2   | 2 January | 2 April
        l3   | 3 January | 2 April
    """)
    for place in order:
        billing.receive([leads[place]])

    billing.bill("April").shows("""
        lead | billed | repeats
        l1   | 10.00  | -
        l2   | 0.00   | l1
        l3   | 0.00   | l1
    """)


# --- 6. Always


def test_gross_is_billed_and_what_was_saved(billing: Billing) -> None:
    billing.post("""
        lead | user | action          | level | day
        l1   | -    | Page View       | Low   | 1 April
        l1   | -    | Form Submission | High  | 1 April
        l3   | -    | Form Submission | High  | 20 April
    """)

    assert billing.bill("April").totals == {
        "gross": "22.00",
        "billed": "12.00",
        "duplicate": "10.00",
        "cap": "0.00",
    }


def test_json_carries_amounts_as_text_beside_a_currency(product: ProductBilling) -> None:
    product.post("""
        lead | level
        l1   | Low
    """)

    totals = report(product.client, "acme", "2024-04")["totals"]

    assert (totals["currency"], totals["gross"]) == ("USD", "2.00")


# --- 7. Part of a period


def test_part_of_a_period_shows_lines_as_the_whole_period_rated_them(billing: Billing) -> None:
    billing.post("""
        lead | day
        l1   | 1 April
        l2   | 15 April
        l3   | 25 April
    """)

    assert billing.totals_between("10 April", "20 April") == {
        "gross": "10.00",
        "billed": "0.00",
        "duplicate": "10.00",
        "cap": "0.00",
    }
