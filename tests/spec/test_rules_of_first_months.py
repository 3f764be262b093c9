"""Section 2 of the billing rules: when a rate card may take effect."""

from tests.spec.billing import Billing

LOW = """
    level | rate
    High  | 8.00
"""
ONE_LEAD = """
    lead | day
    l1   | 12 April
"""


def test_a_new_customers_own_card_prices_its_first_month_which_has_begun(billing: Billing) -> None:
    assert billing.card(LOW, customer="acme", added_on="10 April") == "added"
    billing.post(ONE_LEAD)

    assert billing.bill("April").due == "8.00"


def test_an_own_card_may_begin_before_the_current_month_of_a_customer_without_actions(
    billing: Billing,
) -> None:
    assert billing.card(LOW, customer="acme", since="March", added_on="10 April") == "added"
    billing.post(ONE_LEAD)

    assert billing.bill("April").due == "8.00"


def test_an_own_card_waits_for_the_next_month_once_there_is_an_action(billing: Billing) -> None:
    billing.post(ONE_LEAD)

    assert billing.card(LOW, customer="acme", added_on="13 April") == "refused"
    assert billing.card(LOW, customer="acme", since="May", added_on="13 April") == "added"
    assert billing.bill("April").due == "10.00"


def test_an_own_card_changes_no_price_of_a_later_month_either(billing: Billing) -> None:
    billing.post(ONE_LEAD)

    assert billing.card(LOW, customer="acme", since="March", added_on="13 April") == "refused"


def test_an_own_card_may_fill_the_months_before_the_next_own_card(billing: Billing) -> None:
    billing.card(LOW, customer="acme", since="April")
    billing.post(ONE_LEAD)

    assert billing.card(customer="acme", since="March", added_on="13 April") == "added"
    assert billing.bill("April").due == "8.00"


def test_a_voided_action_does_not_prevent_an_own_card(billing: Billing) -> None:
    billing.post(ONE_LEAD)
    billing.void("l1")

    assert billing.card(LOW, customer="acme", added_on="13 April") == "added"


def test_an_own_card_never_prices_a_closed_month(billing: Billing) -> None:
    billing.post(ONE_LEAD)
    billing.close("April")

    assert billing.card(LOW, customer="acme", since="March", added_on="10 May") == "refused"
    assert billing.card(LOW, customer="acme", since="May", added_on="10 May") == "added"


def test_the_default_card_never_begins_in_a_month_that_has_begun(billing: Billing) -> None:
    assert billing.card(LOW, added_on="10 April") == "refused"
    assert billing.card(LOW, since="May", added_on="10 April") == "added"


def test_another_customers_actions_do_not_prevent_an_own_card(billing: Billing) -> None:
    billing.register("globex")
    billing.post(ONE_LEAD)

    assert billing.card(LOW, customer="globex", added_on="13 April") == "added"
