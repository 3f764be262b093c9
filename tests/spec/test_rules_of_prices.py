"""Section 2 of the billing rules: a case for each sentence about prices and rate cards."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from tests.spec.billing import Billing
from tests.support import oracle

if TYPE_CHECKING:
    from tests.spec.with_sql import ProductBilling


# --- 2. Price


def test_the_default_card_charges_by_level_for_every_lead_type(billing: Billing) -> None:
    billing.post("""
        lead | user | type          | level
        l1   | Ann  | Website Visit | High
        l2   | Bob  | Webinar       | Medium
        l3   | Cy   | Referral      | Low
        l4   | Di   | Referral      | High
    """)

    assert billing.bill("April").totals == {
        "gross": "27.00",
        "billed": "27.00",
        "duplicate": "0.00",
        "cap": "0.00",
    }


def test_the_price_is_that_of_the_customers_own_card_else_of_the_default_card(
    billing: Billing,
) -> None:
    billing.register("globex")
    billing.card(
        """
        level | rate
        High  | 12.00
        """,
        customer="acme",
    )
    billing.post("""
        lead | customer
        l1   | acme
        l2   | globex
    """)

    assert billing.bill("April", "acme").totals["gross"] == "12.00"
    assert billing.bill("April", "globex").totals["gross"] == "10.00"


def test_the_most_specific_rate_wins(billing: Billing) -> None:
    billing.card("""
        level | product | type           | rate
        High  | abc     | Email Campaign | 11.00
        High  | abc     | -              | 12.00
        High  | -       | Email Campaign | 15.00
    """)
    billing.post("""
        lead | user | product | type
        l1   | Ann  | abc     | Email Campaign
        l2   | Bob  | abc     | Webinar
        l3   | Cy   | xyz     | Email Campaign
        l4   | Di   | xyz     | Webinar
    """)

    billing.bill("April").by_lead().shows("""
        lead | gross
        l1   | 11.00
        l2   | 12.00
        l3   | 15.00
        l4   | 10.00
    """)


def test_a_rate_for_a_product_wins_over_one_for_a_lead_type(billing: Billing) -> None:
    billing.card("""
        level | product | type           | rate
        High  | -       | Email Campaign | 15.00
        High  | abc     | -              | 12.00
    """)
    billing.post("""
        lead | type
        l1   | Email Campaign
    """)

    assert billing.bill("April").totals["gross"] == "12.00"


def test_a_card_without_a_price_for_a_level_is_refused(product: ProductBilling) -> None:
    answer = product.client.post(
        "/rate-cards",
        json={
            "name": "No price for Low",
            "valid_from": "2999-01",
            "currency": "USD",
            "rates": [
                {"engagement_level": "High", "amount": "10.00"},
                {"engagement_level": "Medium", "amount": "5.00"},
            ],
            "cap": {"amount": "100.00", "scope": "user"},
        },
    )

    assert answer.status_code == 422
    assert "Low" in answer.text


def test_a_new_version_prices_the_months_from_its_start_and_none_before(billing: Billing) -> None:
    billing.card(
        """
        level | rate
        High  | 12.00
        """,
        since="May",
    )
    billing.post("""
        lead | day
        l1   | 30 April 23:59:59
        l2   | 1 May 00:00
    """)

    assert billing.bill("April").totals["billed"] == "10.00"
    assert billing.bill("May").totals["billed"] == "12.00"


def test_a_card_takes_effect_from_a_period_that_has_not_begun(product: ProductBilling) -> None:
    card = replace(oracle.DEFAULT_CARD, valid_from=date(2024, 4, 1))

    begun = product.post_card(card, datetime(2024, 4, 2, tzinfo=UTC))
    in_time = product.post_card(card, datetime(2024, 3, 15, tzinfo=UTC))

    assert (begun.status_code, in_time.status_code) == (409, 201)


def test_a_customers_card_may_say_that_the_customer_follows_the_default_card_again(
    billing: Billing,
) -> None:
    billing.card(
        """
        level | rate
        High  | 12.00
        """,
        customer="acme",
    )
    billing.card(customer="acme", since="May", follows_default=True)
    billing.post("""
        lead | day
        l1   | 1 April
        l2   | 1 May
    """)

    assert billing.bill("April").totals["billed"] == "12.00"
    assert billing.bill("May").totals["billed"] == "10.00"
