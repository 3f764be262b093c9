"""Sections 3 and 4 of the billing rules: duplicates, and the cap."""

from __future__ import annotations

import pytest

from tests.spec.billing import Billing, leads_of

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
            lead | {"actions": [act | {"action_type": spelling} for act in lead["actions"]]}
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
