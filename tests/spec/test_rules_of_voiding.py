"""Section 12 of the billing rules: voiding what was sent by mistake."""

from tests.spec.billing import Billing

JOHNS_FORMS = """
    lead | user | action           | level  | day
    l1   | John | Form Submission  | High   | 1 April
    l1   | John | Share            | Medium | 2 April
    l2   | John | Form Submission  | High   | 15 April
"""


def test_a_voided_action_is_billed_nowhere(billing: Billing) -> None:
    billing.post(JOHNS_FORMS)

    assert billing.void("l1", "Share") == "voided"

    billing.bill("April").shows("""
        lead | action          | billed
        l1   | Form Submission | 10.00
        l2   | Form Submission | 0.00
    """)


def test_the_next_equal_action_is_charged_in_place_of_a_voided_one(billing: Billing) -> None:
    billing.post(JOHNS_FORMS)
    billing.void("l1", "Form Submission")

    billing.bill("April").shows("""
        lead | action          | billed | outcome
        l1   | Share           | 5.00   | billed
        l2   | Form Submission | 10.00  | billed
    """)


def test_a_voided_action_uses_no_cap(billing: Billing) -> None:
    billing.card(cap="15.00")
    billing.post("""
        lead | action | day
        l1   | Call   | 1 April
        l2   | Chat   | 2 April
        l3   | Share  | 3 April
    """)
    before = billing.bill("April").totals["billed"]
    billing.void("l1")

    assert before == "15.00"
    billing.bill("April").shows("""
        lead | billed | cap  | used
        l2   | 10.00  | 0.00 | 0.00
        l3   | 5.00   | 5.00 | 10.00
    """)


def test_a_lead_that_is_voided_whole_is_worth_nothing(billing: Billing) -> None:
    billing.post(JOHNS_FORMS)
    billing.void("l1")

    assert billing.bill("April").of("l1").lines == []
    assert billing.bill("April").due == "10.00"


def test_sending_a_voided_action_again_does_not_bring_it_back(billing: Billing) -> None:
    billing.post(JOHNS_FORMS)
    billing.void("l1")

    assert billing.post(JOHNS_FORMS) == ["voided", "unchanged"]
    assert billing.bill("April").due == "10.00"


def test_a_new_action_of_a_voided_lead_is_billed(billing: Billing) -> None:
    billing.post(JOHNS_FORMS)
    billing.void("l1")

    again = billing.post("""
        lead | user | action | level  | day
        l1   | John | Share  | Medium | 2 April
        l1   | John | Call   | Low    | 3 April
    """)

    assert again == ["updated"]
    assert billing.bill("April").of("l1").totals["billed"] == "2.00"


def test_a_lead_whose_other_actions_are_sent_again_is_unchanged(billing: Billing) -> None:
    billing.post(JOHNS_FORMS)
    billing.void("l1", "Share")

    again = billing.post("""
        lead | user | action          | day
        l1   | John | Form Submission | 1 April
    """)

    assert again == ["unchanged"]


def test_voiding_twice_is_voiding_once(billing: Billing) -> None:
    billing.post(JOHNS_FORMS)

    assert [billing.void("l1"), billing.void("l1")] == ["voided", "voided"]
    assert billing.bill("April").due == "10.00"


def test_an_action_of_a_closed_period_is_not_voided(billing: Billing) -> None:
    billing.post(JOHNS_FORMS)
    billing.close("April")

    assert billing.void("l1", "Share") == "refused"
    assert billing.bill("April").due == "15.00"


def test_a_lead_with_an_action_of_a_closed_period_is_not_voided_whole(billing: Billing) -> None:
    billing.post("""
        lead | action | day
        l1   | Call   | 1 April
        l1   | Chat   | 1 May
    """)
    billing.close("April")

    assert billing.void("l1") == "refused"
    assert billing.bill("May").due == "10.00"
    assert billing.void("l1", "Chat") == "voided"
    assert billing.bill("May").due == "0.00"


def test_a_late_action_is_not_voided(billing: Billing) -> None:
    billing.post(JOHNS_FORMS)
    billing.close("April")
    billing.post("""
        lead | action | level | day
        l3   | Chat   | Low   | 20 April
    """)

    assert billing.void("l3") == "refused"
    assert billing.bill("May").due == "2.00"


def test_a_month_whose_actions_are_all_voided_does_not_prevent_closing_a_later_one(
    billing: Billing,
) -> None:
    billing.post("""
        lead | day
        l1   | 1 April
        l2   | 1 May
    """)
    before = billing.close("May")
    billing.void("l1")

    assert [before, billing.close("May")] == ["refused", "closed"]
