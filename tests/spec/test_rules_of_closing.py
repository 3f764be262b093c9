"""Sections 11 and 12 of the billing rules: closing a period, and corrections."""

from tests.spec.billing import Billing

# --- 11. Closing a period

ANN_IN_APRIL_AND_MAY = """
    lead | action | level  | day
    l1   | Call   | High   | 3 April
    l1   | Share  | Medium | 4 May
"""


def test_closing_twice_changes_nothing(billing: Billing) -> None:
    billing.post(ANN_IN_APRIL_AND_MAY)

    assert [billing.close("April"), billing.close("April")] == ["closed", "already_closed"]
    assert billing.bill("April").due == "10.00"


def test_the_lines_of_a_final_report_never_change(billing: Billing) -> None:
    billing.post(ANN_IN_APRIL_AND_MAY)
    billing.close("April")
    billing.post("""
        lead | action | day
        l2   | Chat   | 1 April
    """)

    billing.bill("April").shows("""
        lead | billed
        l1   | 10.00
    """)


def test_a_late_action_is_a_prior_period_line_of_the_next_report(billing: Billing) -> None:
    billing.post(ANN_IN_APRIL_AND_MAY)
    billing.close("April")
    billing.post("""
        lead | action | day
        l2   | Chat   | 20 April
    """)

    billing.bill("May").shows_late("""
        month | lead | billed | used
        April | l2   | 10.00  | 10.00
    """)
    billing.bill("May").shows("""
        lead | billed
        l1   | 5.00
    """)
    assert billing.bill("May").due == "15.00"


def test_a_late_action_takes_what_the_closed_months_cap_has_left(billing: Billing) -> None:
    billing.card(cap="16.00")
    billing.post("""
        lead | action | level  | day
        l1   | Call   | High   | 3 April
        l1   | Share  | Low    | 4 April
    """)
    billing.close("April")
    billing.post("""
        lead | action | day
        l2   | Chat   | 20 April
    """)

    billing.bill("May").shows_late("""
        month | gross | billed | cap  | outcome
        April | 10.00 | 4.00   | 6.00 | partially_capped
    """)


def test_a_late_action_that_equals_a_charged_one_is_its_duplicate_though_it_was_earlier(
    billing: Billing,
) -> None:
    billing.post(ANN_IN_APRIL_AND_MAY)
    billing.close("April")
    billing.post("""
        lead | action | day
        l2   | Call   | 1 April
    """)

    billing.bill("May").shows_late("""
        lead | billed | duplicate | repeats
        l2   | 0.00   | 10.00     | l1
    """)


def test_prior_period_lines_are_priced_and_capped_by_the_month_they_belong_to(
    billing: Billing,
) -> None:
    billing.card(
        """
        level | rate
        High  | 50.00
        """,
        since="May",
        cap="50.00",
    )
    billing.post(ANN_IN_APRIL_AND_MAY)
    billing.close("April")
    billing.post("""
        lead | action | day
        l2   | Chat   | 20 April
    """)

    billing.bill("May").shows_late("""
        gross | billed
        10.00 | 10.00
    """)


def test_months_close_in_order_and_one_with_open_actions_is_not_passed_over(
    billing: Billing,
) -> None:
    billing.post(ANN_IN_APRIL_AND_MAY)

    assert billing.close("May") == "refused"
    assert [billing.close("April"), billing.close("May")] == ["closed", "closed"]


def test_each_customer_is_closed_by_itself(billing: Billing) -> None:
    billing.register("globex")
    billing.post("""
        lead | customer | day
        l1   | acme     | 1 April
        l2   | globex   | 1 May
    """)

    assert [billing.close("May", "globex"), billing.close("May")] == ["closed", "refused"]


def test_months_without_actions_up_to_the_last_final_report_are_closed(billing: Billing) -> None:
    billing.post(ANN_IN_APRIL_AND_MAY)
    billing.close("April")
    billing.post("""
        lead | day
        l2   | 1 March
    """)

    assert billing.close("March") == "already_closed"
    billing.bill("May").shows_late("""
        month | lead
        March | l2
    """)


def test_due_is_this_months_billed_and_the_late_lines_less_the_credits(billing: Billing) -> None:
    billing.post(ANN_IN_APRIL_AND_MAY)
    billing.close("April")
    billing.post("""
        lead | action | level | day
        l2   | Chat   | Low   | 20 April
    """)
    billing.dispute("l1", "Call")
    billing.resolve("accepted")

    assert billing.bill("May").due == "-3.00"  # 5.00 + 2.00 - 10.00


def test_a_draft_is_never_stale(billing: Billing) -> None:
    billing.post(ANN_IN_APRIL_AND_MAY)
    before = billing.bill("May").due
    billing.post("""
        lead | action | day
        l2   | Chat   | 1 May
    """)

    assert (before, billing.bill("May").due) == ("5.00", "15.00")


# --- 12. Corrections

JOHNS_FORMS = """
    lead | user | action           | level  | day
    l1   | John | Form Submission  | High   | 1 April
    l1   | John | Share            | Medium | 2 April
    l2   | John | Form Submission  | High   | 15 April
"""


def test_an_accepted_dispute_is_a_credit_on_the_first_open_period(billing: Billing) -> None:
    billing.post(JOHNS_FORMS)
    billing.close("April")

    assert billing.dispute("l1", "Form Submission") == "open"
    billing.resolve("accepted")

    assert (billing.bill("April").due, billing.bill("May").credited) == ("15.00", "10.00")


def test_a_whole_lead_can_be_disputed(billing: Billing) -> None:
    billing.post(JOHNS_FORMS)
    billing.close("April")
    billing.dispute("l1")
    billing.resolve("accepted")

    assert billing.bill("May").credited == "15.00"


def test_a_rejected_dispute_credits_nothing(billing: Billing) -> None:
    billing.post(JOHNS_FORMS)
    billing.close("April")
    billing.dispute("l1")
    billing.resolve("rejected")

    assert billing.bill("May").credited == "0.00"


def test_only_what_was_billed_can_be_disputed(billing: Billing) -> None:
    billing.post(JOHNS_FORMS)
    billing.close("April")

    assert billing.dispute("l2", "Form Submission") == "refused"


def test_a_line_is_credited_at_most_once(billing: Billing) -> None:
    billing.post(JOHNS_FORMS)
    billing.close("April")
    billing.dispute("l1", "Share")
    billing.resolve("accepted")

    assert billing.dispute("l1", "Share") == "refused"


def test_a_credit_frees_no_cap_and_makes_no_duplicate_billable(billing: Billing) -> None:
    billing.card(cap="15.00")
    billing.post(JOHNS_FORMS)
    billing.close("April")
    billing.dispute("l1")
    billing.resolve("accepted")
    billing.post("""
        lead | user | action          | day
        l3   | John | Form Submission | 20 April
        l4   | John | Call            | 21 April
    """)

    billing.bill("May").shows_late("""
        lead | billed | outcome
        l3   | 0.00   | duplicate
        l4   | 0.00   | capped
    """)
