"""Disputes: what can be disputed, for how long, who sees them, and what is refused."""

from datetime import datetime, timedelta
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from common.database.engine import get_engine
from services.reports.api.dependencies import now
from services.reports.app import app
from tests.support.api import Wire, action, lead, post, register, report
from tests.support.closing import USER, closed, post_late
from tests.support.disputes import Later, ask, disputed, line_of, refused, resolved


def test_rejected_line_stays_billed_and_can_be_disputed_again(april_closed: httpx.Client) -> None:
    form = line_of(april_closed, "Form")
    first = resolved(
        april_closed, disputed(april_closed, action_id=form), "reject", note="it is genuine"
    )

    second = disputed(april_closed, action_id=form, reason="other", note="the person never asked")

    assert (first["status"], first["decision_note"]) == ("rejected", "it is genuine")
    assert report(april_closed, "acme", "2024-05")["due"] == "10.00"
    assert second["dispute_id"] != first["dispute_id"]
    resolved(april_closed, second)
    assert report(april_closed, "acme", "2024-05")["due"] == "0.00"


def test_line_is_disputed_once_at_a_time_and_never_after_a_credit(
    april_closed: httpx.Client,
) -> None:
    form = line_of(april_closed, "Form")
    dispute = disputed(april_closed, action_id=form)

    assert refused(ask(april_closed, action_id=form)) == [("/action_id", "already_disputed")]
    resolved(april_closed, dispute)
    assert refused(ask(april_closed, action_id=form)) == [("/action_id", "already_credited")]
    resolved(april_closed, disputed(april_closed))
    assert {code for _, code in refused(ask(april_closed))} == {"already_credited"}
    closed(april_closed, "2024-05")
    assert ("/action_id", "already_credited") in refused(ask(april_closed, action_id=form))


def test_resolving_again_changes_nothing(april_closed: httpx.Client) -> None:
    dispute = disputed(april_closed)
    accepted = resolved(april_closed, dispute, actor="ann")

    again = resolved(april_closed, dispute, actor="bob", note="me too")
    other = april_closed.post(f"/billing/disputes/{dispute['dispute_id']}/reject")

    assert again == accepted
    assert refused(other) == [("/status", "already_decided")]
    assert april_closed.post(f"/billing/disputes/{uuid4()}/accept").status_code == 404
    assert april_closed.get(f"/billing/disputes/{uuid4()}").status_code == 404
    assert april_closed.get("/billing/disputes/abc").status_code == 422


def test_only_what_is_billed_can_be_disputed(april_closed: httpx.Client) -> None:
    post_late(april_closed)
    closed_form, draft_form = (
        line_of(april_closed, "Form"),
        line_of(april_closed, "Form", "2024-05"),
    )
    closed(april_closed, "2024-05")
    repeat = next(
        line["action_id"]
        for line in report(april_closed, "acme", "2024-05")["prior_period"]["lines"]
        if line["outcome"] == "duplicate"
    )
    post(april_closed, lead("june", action("Form", "2024-06-05T00:00:00Z"), user=USER))

    open_line = line_of(april_closed, "Form", "2024-06")

    assert closed_form != draft_form
    assert refused(ask(april_closed, "late", action_id=repeat)) == [
        ("/action_id", "nothing_billed")
    ]
    assert ask(april_closed, "june", action_id=open_line).status_code == 201
    assert refused(ask(april_closed, "june")) == [("/lead_id", "already_disputed")]
    post(april_closed, lead("bare", user=USER)).raise_for_status()
    assert refused(ask(april_closed, "bare")) == [("/lead_id", "nothing_billed")]
    assert refused(ask(april_closed, "june", action_id=repeat), 422) == [
        ("/action_id", "unknown_action")
    ]
    assert refused(ask(april_closed, "nobody"), 422) == [("/lead_id", "unknown_lead")]
    assert [line["action_type"] for line in disputed(april_closed, "late")["lines"]] == ["Download"]


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"reason": "boredom"}, "/reason", "unknown_reason"),
        ({"reason": "other"}, "/note", "missing_note"),
        ({"reason": "other", "note": "  "}, "/note", "empty"),
        ({"note": "n" * 1001}, "/note", "too_long"),
        ({"note": "a\0b"}, "/note", "nul_character"),
        ({"actor": ""}, "/actor", "empty"),
        ({"actor": "a" * 129}, "/actor", "too_long"),
        ({"lead_id": ""}, "/lead_id", "empty"),
        ({"action_id": "x"}, "/action_id", "uuid_parsing"),
        ({"amount": "1.00"}, "/amount", "unknown_field"),
    ],
)
def test_malformed_dispute_is_refused_by_field(
    acme: httpx.Client, body: Wire, pointer: str, code: str
) -> None:
    assert refused(ask(acme, **body), 422) == [(pointer, code)]


def test_window_is_the_one_of_the_reports_card(april_closed: httpx.Client, later: Later) -> None:
    form, share = line_of(april_closed, "Form"), line_of(april_closed, "Share")
    later(timedelta(days=59, hours=23))
    in_time = ask(april_closed, action_id=form)
    later(timedelta(days=60, minutes=1))

    too_late = ask(april_closed, action_id=share)

    assert in_time.status_code == 201
    assert refused(too_late) == [("/action_id", "dispute_window_over")]
    assert "60 days" in too_late.json()["detail"]
    resolved(april_closed, in_time.json())  # there is no time limit for resolving a dispute
    disputed(april_closed)  # the line of May, whose window has not begun
    assert {code for _, code in refused(ask(april_closed))} == {
        "already_credited",
        "dispute_window_over",
        "already_disputed",
    }


def test_window_is_over_at_its_very_end(april_closed: httpx.Client, later: Later) -> None:
    later(timedelta(0))
    end = datetime.fromisoformat(report(april_closed, "acme", "2024-04")["dispute_until"])
    form, share = line_of(april_closed, "Form"), line_of(april_closed, "Share")

    app.dependency_overrides[now] = lambda: end
    too_late = ask(april_closed, action_id=form)
    app.dependency_overrides[now] = lambda: end - timedelta(microseconds=1)
    in_time = ask(april_closed, action_id=share)

    assert refused(too_late) == [("/action_id", "dispute_window_over")]
    assert in_time.status_code == 201


def test_card_says_how_long_its_reports_can_be_disputed(api: httpx.Client, later: Later) -> None:
    register(api)
    later(timedelta(days=-365 * 40))  # every month is still to come
    rates = [{"engagement_level": level, "amount": "3.00"} for level in ("High", "Medium", "Low")]
    terms = {"rates": rates, "cap": {"amount": "9.00"}, "valid_from": "2024-04", "name": "Short"}
    card = api.post("/rate-cards", json=terms | {"customer_id": "acme", "dispute_window_days": 7})
    post(api, lead("lead-1", action("Form", "2024-04-03T09:00:00Z"))).raise_for_status()
    closed(api, "2024-04")

    later(timedelta(days=7, minutes=1))
    too_late = ask(api)
    later(timedelta(days=6))

    assert (card.status_code, card.json()["dispute_window_days"]) == (201, 7)
    assert refused(too_late) == [("/lead_id", "dispute_window_over")]
    assert ask(api).status_code == 201
    (default,) = [
        card for card in api.get("/rate-cards").json()["data"] if card["customer_id"] is None
    ]
    assert default["dispute_window_days"] == 60
    for bad in (-1, 3_651, "7"):
        answer = api.post("/rate-cards", json=terms | {"dispute_window_days": bad})
        assert answer.status_code == 422


def test_disputes_are_listed_by_customer_status_and_period_page_by_page(
    april_closed: httpx.Client,
) -> None:
    post_late(april_closed)
    closed(april_closed, "2024-05")
    form, share = (
        disputed(april_closed, action_id=line_of(april_closed, kind)) for kind in ("Form", "Share")
    )
    late = disputed(april_closed, "late")
    resolved(april_closed, share, "reject")

    def listed(**query: str) -> list[str]:
        answer = april_closed.get("/billing/disputes", params=query)
        assert answer.status_code == 200, answer.text
        return [dispute["dispute_id"] for dispute in answer.json()["data"]]

    ids = [dispute["dispute_id"] for dispute in (late, share, form)]
    assert listed() == ids
    assert listed(status="open") == [ids[0], ids[2]]
    assert listed(status="rejected") == [ids[1]]
    assert listed(period="2024-05") == [ids[0]]
    assert listed(customer_id="acme", period="2024-04") == ids[1:]
    other = april_closed.get("/billing/disputes", params={"customer_id": "other"})
    assert other.json()["errors"][0]["code"] == "unknown_customer"
    first = april_closed.get("/billing/disputes", params={"limit": 2}).json()
    rest = april_closed.get("/billing/disputes", params={"cursor": first["next_cursor"]}).json()
    assert [dispute["dispute_id"] for dispute in first["data"] + rest["data"]] == ids
    assert rest["next_cursor"] is None
    for bad in ({"status": "lost"}, {"period": "2024-13"}, {"cursor": "abc"}):
        assert april_closed.get("/billing/disputes", params=bad).status_code == 422


# --- what the database itself refuses


def refused_by_database(statement: str) -> str:
    with pytest.raises(DBAPIError) as raised, get_engine().begin() as connection:
        connection.execute(text(statement))
    return str(raised.value.orig)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (
            "insert into dispute_lines (customer_id, dispute_id, action_id, report_id, "
            "line_number, amount_cents, status) select customer_id, dispute_id, "
            "gen_random_uuid(), report_id, 3, 1, status from dispute_lines",
            "billed less",
        ),
        (
            "insert into dispute_lines (customer_id, dispute_id, action_id, report_id, "
            "line_number, amount_cents, status) select disputed.customer_id, dispute_id, "
            "line.action_id, disputed.report_id, line.line_number, line.billed_cents + 1, status "
            "from dispute_lines as disputed join billing_report_lines as line "
            "on line.report_id = disputed.report_id and line.line_number = 1",
            "billed less",
        ),
        (
            "insert into dispute_lines (customer_id, dispute_id, action_id, amount_cents, status) "
            "select customer_id, dispute_id, gen_random_uuid(), 1, status from dispute_lines",
            "ck_dispute_lines_is_of_a_draft_or_final",
        ),
        (
            "with another as (insert into disputes (customer_id, lead_id, reason, opened_by) "
            "select customer_id, lead_id, 'spam', '' from disputes returning dispute_id) "
            "insert into dispute_lines select customer_id, another.dispute_id, action_id, "
            "report_id, line_number, amount_cents from dispute_lines, another",
            "ix_dispute_lines_customer_id_action_id",
        ),
        ("update dispute_lines set amount_cents = 1", "never edited"),
        (
            "update dispute_lines set status = 'rejected'",
            "fk_dispute_lines_customer_id_dispute_id_status",
        ),
        ("update disputes set reason = 'other', note = null", "never edited"),
        ("delete from disputes", "never deleted"),
        ("delete from dispute_lines", "never deleted"),
        ("delete from billing_report_credits", "never deleted"),
        ("update billing_report_credits set amount_cents = 1", "never edited"),
        (
            "insert into billing_report_credits select customer_id, report_id, 2, dispute_id, "
            "of_report_id, of_line_number, amount_cents, '' from billing_report_credits",
            "uq_billing_report_credits_line",
        ),
        (
            "insert into billing_report_credits select customer_id, report_id, 2, dispute_id, "
            "of_report_id, of_line_number + 1, amount_cents, '' from billing_report_credits",
            "fk_billing_report_credits_dispute_line",
        ),
        (
            "insert into disputes (customer_id, lead_id, reason, opened_by) "
            "select customer_id, lead_id, 'other', '' from disputes",
            "ck_disputes_other_says_what",
        ),
        (
            "insert into disputes (customer_id, lead_id, reason, opened_by, status) "
            "select customer_id, lead_id, 'spam', '', 'accepted' from disputes",
            "ck_disputes_decided_by_somebody",
        ),
    ],
)
def test_database_refuses_what_cannot_be(
    april_closed: httpx.Client, statement: str, words: str
) -> None:
    resolved(april_closed, disputed(april_closed, action_id=line_of(april_closed, "Share")))
    closed(april_closed, "2024-05")

    assert words in refused_by_database(statement)
