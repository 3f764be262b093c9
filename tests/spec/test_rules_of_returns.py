"""Section 12 of the billing rules: returns before the bill, of lines of a draft."""

from tests.spec.billing import Billing

JOHNS_FORMS = """
    lead | user | action           | level  | day
    l1   | John | Form Submission  | High   | 1 April
    l1   | John | Share            | Medium | 2 April
    l2   | John | Form Submission  | High   | 15 April
"""


def test_a_line_of_a_draft_is_credited_on_the_same_months_report(billing: Billing) -> None:
    billing.post(JOHNS_FORMS)

    assert billing.dispute("l1", "Form Submission") == "open"
    before = billing.bill("April").due
    billing.resolve("accepted")

    draft = billing.bill("April")
    assert (before, draft.credited, draft.due) == ("15.00", "10.00", "5.00")
    billing.close("April")
    assert (billing.bill("April").credited, billing.bill("April").due) == ("10.00", "5.00")
    assert billing.bill("May").credited == "0.00"


def test_the_credit_is_what_the_line_is_billed_when_its_report_closes(billing: Billing) -> None:
    billing.card(cap="12.00")
    billing.post(JOHNS_FORMS)
    billing.dispute("l1", "Share")
    billing.resolve("accepted")
    before = billing.bill("April").credited
    billing.post("""
        lead | user | action | level | day
        l0   | John | Call   | Low   | 1 April 08:00
    """)
    billing.close("April")

    assert before == "2.00"
    assert (billing.bill("April").credited, billing.bill("April").due) == ("0.00", "12.00")


def test_a_credit_on_a_draft_frees_no_cap_and_makes_no_duplicate_billable(
    billing: Billing,
) -> None:
    billing.card(cap="15.00")
    billing.post(JOHNS_FORMS)
    billing.dispute("l1")
    billing.resolve("accepted")
    billing.post("""
        lead | user | action | day
        l3   | John | Call   | 21 April
    """)

    billing.bill("April").shows("""
        lead | action          | billed | outcome
        l1   | Form Submission | 10.00  | billed
        l1   | Share           | 5.00   | billed
        l2   | Form Submission | 0.00   | duplicate
        l3   | Call            | 0.00   | capped
    """)
    assert billing.bill("April").due == "0.00"


def test_a_dispute_that_is_accepted_after_closing_is_credited_on_the_next_report(
    billing: Billing,
) -> None:
    billing.post(JOHNS_FORMS)
    billing.dispute("l1", "Share")
    billing.close("April")
    billing.resolve("accepted")

    assert (billing.bill("April").due, billing.bill("May").credited) == ("15.00", "5.00")


def test_a_line_of_a_later_draft_is_credited_on_that_months_report(billing: Billing) -> None:
    billing.post("""
        lead | day
        l1   | 1 April
        l2   | 1 May
    """)
    billing.dispute("l2")
    billing.resolve("accepted")

    assert (billing.bill("April").due, billing.bill("May").due) == ("10.00", "0.00")
    billing.close("April")
    assert (billing.bill("April").due, billing.bill("May").due) == ("10.00", "0.00")


def test_a_late_line_is_credited_on_the_report_it_stands_on(billing: Billing) -> None:
    billing.post(JOHNS_FORMS)
    billing.close("April")
    billing.post("""
        lead | action | level | day
        l3   | Chat   | Low   | 20 April
        l4   | Chat   | Low   | 1 May
    """)
    billing.dispute("l3")
    billing.resolve("accepted")

    assert (billing.bill("May").credited, billing.bill("May").due) == ("2.00", "2.00")
    billing.close("May")
    assert (billing.bill("May").credited, billing.bill("May").due) == ("2.00", "2.00")


def test_a_rejected_dispute_of_a_draft_line_credits_nothing(billing: Billing) -> None:
    billing.post(JOHNS_FORMS)
    billing.dispute("l1")
    billing.resolve("rejected")
    billing.close("April")

    assert billing.bill("April").due == "15.00"


def test_a_draft_line_that_is_billed_nothing_is_not_disputed(billing: Billing) -> None:
    billing.post(JOHNS_FORMS)

    assert billing.dispute("l2") == "refused"


def test_a_draft_line_is_disputed_once_at_a_time(billing: Billing) -> None:
    billing.post(JOHNS_FORMS)
    billing.dispute("l1", "Share")

    assert billing.dispute("l1", "Share") == "refused"
    assert billing.dispute("l1") == "open"
    billing.close("April")
    assert billing.dispute("l1", "Share") == "refused"


def test_a_disputed_action_is_not_voided_until_its_dispute_is_rejected(billing: Billing) -> None:
    billing.post(JOHNS_FORMS)
    billing.dispute("l1", "Share")
    before = billing.void("l1", "Share"), billing.void("l1")
    billing.resolve("rejected")

    assert before == ("refused", "refused")
    assert billing.void("l1", "Share") == "voided"
    assert billing.bill("April").due == "10.00"
