"""Sections 0 to 7 of the billing rules: a case for each sentence that is built, in its order.

Each case runs on the oracle, which is plain Python (`make test-unit`), and on the product with its
SQL. Those that ask for `product` are about requests, of which the oracle knows nothing.
test_rules_of_leads.py has sections 8 to 10, test_rules_of_closing.py 11 and 12.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from tests.spec.billing import Billing, leads_of
from tests.support import oracle
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


# --- 3. Duplicate


def test_johns_second_form_is_a_duplicate_and_his_others_are_not(billing: Billing) -> None:
    billing.post("""
        lead | user | product | action           | day
        l1   | John | abc     | Form Submission  | 1 April
        l2   | John | abc     | Form Submission  | 15 April
        l3   | John | xyz     | Form Submission  | 16 April
        l4   | John | abc     | form  submission | 2 May
    """)

    billing.bill("April").shows("""
        lead | gross | billed | duplicate | outcome   | repeats
        l1   | 10.00 | 10.00  | 0.00      | billed    | -
        l2   | 10.00 | 0.00   | 10.00     | duplicate | l1
        l3   | 10.00 | 10.00  | 0.00      | billed    | -
    """)
    assert billing.bill("May").totals["billed"] == "10.00"


@pytest.mark.parametrize(
    ("user", "product", "action", "level", "day", "month"),
    [
        ("Bob", "abc", "Call", "High", "2 April", "April"),
        ("Ann", "xyz", "Call", "High", "2 April", "April"),
        ("Ann", "abc", "Chat", "High", "2 April", "April"),
        ("Ann", "abc", "Call", "Medium", "2 April", "April"),
        ("Ann", "abc", "Call", "High", "2 May", "May"),
    ],
    ids=["user", "product", "action type", "engagement level", "period"],
)
def test_an_action_that_differs_is_no_duplicate(
    billing: Billing, user: str, product: str, action: str, level: str, day: str, month: str
) -> None:
    billing.post(f"""
        lead | user   | product   | action   | level   | day
        l1   | Ann    | abc       | Call     | High    | 1 April
        l2   | {user} | {product} | {action} | {level} | {day}
    """)

    assert billing.bill(month).totals["duplicate"] == "0.00"


def test_another_lead_type_makes_no_other_action(billing: Billing) -> None:
    billing.post("""
        lead | type     | day
        l1   | Webinar  | 1 April
        l2   | Referral | 2 April
    """)

    assert billing.bill("April").totals["duplicate"] == "10.00"


def test_action_types_are_compared_trimmed_with_inner_spaces_folded_and_case_folded(
    billing: Billing,
) -> None:
    billing.receive(
        [
            lead | {"actions": [each | {"action_type": spelling} for each in lead["actions"]]}
            for lead, spelling in zip(
                leads_of("""
                lead | day
                l1   | 1 April
                l2   | 2 April
                l3   | 3 April
            """),
                ("Straße besucht", " strasse   BESUCHT ", "STRASSE besucht"),
                strict=True,
            )
        ]
    )

    assert billing.bill("April").totals["billed"] == "10.00"


def test_the_first_is_charged_and_each_later_one_is_a_saving_that_names_it(
    billing: Billing,
) -> None:
    billing.post("""
        lead | day
        l3   | 3 April
        l1   | 1 April
        l2   | 2 April
    """)

    billing.bill("April").shows("""
        lead | billed | duplicate | repeats
        l1   | 10.00  | 0.00      | -
        l2   | 0.00   | 10.00     | l1
        l3   | 0.00   | 10.00     | l1
    """)


def test_two_equal_actions_inside_one_lead_are_duplicates(billing: Billing) -> None:
    billing.post("""
        lead | action | day
        l1   | Call   | 1 April
        l1   | Call   | 1 April
    """)

    billing.bill("April").shows("""
        lead | billed | duplicate | repeats
        l1   | 10.00  | 0.00      | -
        l1   | 0.00   | 10.00     | l1
    """)


def test_a_duplicate_uses_no_cap(billing: Billing) -> None:
    billing.post("""
        lead | action | day
        l1   | Call   | 1 April
        l1   | Call   | 2 April
        l1   | Chat   | 3 April
    """)

    billing.bill("April").shows("""
        action | billed | used
        Call   | 10.00  | 0.00
        Call   | 0.00   | 10.00
        Chat   | 10.00  | 10.00
    """)


def test_an_action_of_a_lead_type_whose_duplicates_are_charged_is_never_one_and_has_none(
    billing: Billing,
) -> None:
    billing.card(duplicates_charged_for=("Referral",))
    billing.post("""
        lead | type     | day
        l1   | Referral | 1 April
        l2   | Referral | 2 April
        l3   | Webinar  | 3 April
        l4   | Referral | 4 April
        l5   | Webinar  | 5 April
    """)

    billing.bill("April").shows("""
        lead | billed | outcome   | repeats
        l1   | 10.00  | billed    | -
        l2   | 10.00  | billed    | -
        l3   | 10.00  | billed    | -
        l4   | 10.00  | billed    | -
        l5   | 0.00   | duplicate | l3
    """)


# --- 4. Cap

NINETY_FIVE_OF_ANN = """
    lead | user | action | level  | day
    l1   | Ann  | A      | High   | 1 April
    l1   | Ann  | B      | High   | 1 April
    l1   | Ann  | C      | High   | 1 April
    l1   | Ann  | D      | High   | 1 April
    l1   | Ann  | E      | High   | 1 April
    l1   | Ann  | F      | High   | 1 April
    l1   | Ann  | G      | High   | 1 April
    l1   | Ann  | H      | High   | 1 April
    l1   | Ann  | I      | High   | 1 April
    l1   | Ann  | J      | Medium | 1 April
"""


def test_the_action_that_crosses_the_cap_is_split_and_later_ones_are_saved_whole(
    billing: Billing,
) -> None:
    billing.post(NINETY_FIVE_OF_ANN)
    billing.post("""
        lead | action | level | day
        l2   | Call   | High  | 2 April
        l3   | Share  | Low   | 3 April
        l4   | Call   | High  | 4 April
    """)

    billing.bill("April").of("l2 l3 l4").shows("""
        lead | gross | billed | duplicate | cap  | used   | outcome
        l2   | 10.00 | 5.00   | 0.00      | 5.00 | 95.00  | partially_capped
        l3   | 2.00  | 0.00   | 0.00      | 2.00 | 100.00 | capped
        l4   | 10.00 | 0.00   | 10.00     | 0.00 | 100.00 | duplicate
    """)
    assert billing.bill("April").totals["billed"] == "100.00"


def test_the_cap_counts_across_products_and_anew_for_each_user_customer_and_period(
    billing: Billing,
) -> None:
    billing.register("globex")
    billing.post(NINETY_FIVE_OF_ANN)
    billing.post("""
        lead | customer | user | product | day
        l2   | acme     | Ann  | xyz     | 2 April
        l3   | acme     | Bob  | abc     | 2 April
        l4   | acme     | Ann  | abc     | 2 May
        l5   | globex   | Ann  | abc     | 2 April
    """)

    billing.bill("April").of("l2 l3").by_lead().shows("""
        lead | billed
        l2   | 5.00
        l3   | 10.00
    """)
    assert billing.bill("May").totals["billed"] == "10.00"
    assert billing.bill("April", "globex").totals["billed"] == "10.00"


def test_the_card_holds_the_amount_of_the_cap(billing: Billing) -> None:
    billing.card(cap="7.00")
    billing.post("""
        lead | level  | day
        l1   | Medium | 1 April
        l2   | High   | 2 April
    """)

    billing.bill("April").shows("""
        lead | billed | cap
        l1   | 5.00   | 0.00
        l2   | 2.00   | 8.00
    """)


def test_the_card_says_whether_the_cap_counts_per_user_or_per_user_and_product(
    billing: Billing,
) -> None:
    billing.card(cap="12.00", cap_scope="user_and_product")
    billing.post("""
        lead | product | action | day
        l1   | abc     | Call   | 1 April
        l2   | xyz     | Call   | 2 April
        l3   | abc     | Chat   | 3 April
    """)

    billing.bill("April").shows("""
        lead | billed | cap  | used
        l1   | 10.00  | 0.00 | 0.00
        l2   | 10.00  | 0.00 | 0.00
        l3   | 2.00   | 8.00 | 10.00
    """)


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
