"""Disputes and credits: what is disputed, what is credited, on which report, and only once."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from common.database.engine import get_engine
from scripts.report import print_report, terminal
from services.reports.api.dependencies import now
from services.reports.app import app
from tests.integration.closing.test_closing import (
    USER,
    april_and_may,
    by_customer,
    closed,
    execute,
    post_late,
)
from tests.support.api import Wire, action, lead, path_of, post, register, report
from tests.support.tampering import tamper

__all__ = ["april_and_may"]

Later = Callable[[timedelta], None]


@pytest.fixture
def later() -> Iterator[Later]:
    """Sets the service's clock forward."""

    def be(ahead: timedelta) -> None:
        app.dependency_overrides[now] = lambda: datetime.now(UTC) + ahead

    yield be
    app.dependency_overrides.pop(now, None)


def ask(client: httpx.Client, lead_id: str = "lead-1", **members: Any) -> httpx.Response:
    body = {"lead_id": lead_id, "reason": "spam"} | members
    return client.post("/billing/disputes", json=body)


def disputed(client: httpx.Client, lead_id: str = "lead-1", **members: Any) -> Any:
    answer = ask(client, lead_id, **members)
    assert answer.status_code == 201, answer.text
    return answer.json()


def decided(client: httpx.Client, dispute: Wire, verb: str = "accept", **body: str) -> Any:
    answer = client.post(f"/billing/disputes/{dispute['dispute_id']}/{verb}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(answer: httpx.Response, status: int = 409) -> list[tuple[str, str]]:
    assert answer.status_code == status, answer.text
    return [(error["pointer"], error["code"]) for error in answer.json()["errors"]]


def line_of(client: httpx.Client, action_type: str, period: str = "2024-04") -> str:
    bill = report(client, "acme", period)
    lines = bill["lines"] + bill["prior_period"]["lines"]
    return str(next(each["action_id"] for each in lines if each["action_type"] == action_type))


@pytest.fixture
def april_closed(april_and_may: httpx.Client) -> httpx.Client:
    """April closed: a Form of 10.00, a Share of 5.00 and a Like of 2.00, all of lead-1."""
    closed(april_and_may, "2024-04")
    return april_and_may


def test_accepted_line_is_credited_to_the_cent_beside_late_actions(
    april_closed: httpx.Client,
) -> None:
    post_late(april_closed)
    before = april_closed.get(path_of("billing", "reports", "acme", "2024-04")).content
    share = line_of(april_closed, "Share")

    dispute = disputed(april_closed, action_id=share, note="from a bot", actor="ann")
    waiting = report(april_closed, "acme", "2024-05")
    accepted = decided(april_closed, dispute, note="agreed", actor="bob")
    draft = report(april_closed, "acme", "2024-05")
    run = closed(april_closed, "2024-05")
    may = report(april_closed, "acme", "2024-05")

    assert (dispute["status"], dispute["billed"], dispute["credited"]) == ("open", "5.00", "0.00")
    assert (waiting["due"], waiting["credits"]) == ("20.00", {"total": "0.00", "lines": []})
    assert (accepted["status"], accepted["decided_by"], accepted["credited"]) == (
        "accepted",
        "bob",
        "5.00",
    )
    assert accepted["lines"][0]["credit"] == {
        "report_period": "2024-05",
        "report_status": "draft",
    }
    assert (draft["totals"]["billed"], draft["prior_period"]["totals"]["billed"]) == (
        "10.00",
        "10.00",
    )
    assert (draft["credits"]["total"], draft["due"]) == ("5.00", "15.00")
    (credit,) = draft["credits"]["lines"]
    assert (credit["report_period"], credit["line_number"], credit["action_id"]) == (
        "2024-04",
        2,
        share,
    )
    assert credit["explanation"] == (
        "5.00 USD billed for Share (Medium) of lead lead-1, line 2 of the report of April 2024, "
        f"is credited: it was disputed as spam, and the dispute was accepted on "
        f"{datetime.now(UTC):%Y-%m-%d}."
    )
    assert by_customer(run) == {"acme": ("closed", "15.00")}
    assert (may["status"], may["credits"], may["due"]) == ("final", draft["credits"], "15.00")
    assert report(april_closed, "acme", "2024-06")["credits"]["lines"] == []
    assert april_closed.get(path_of("billing", "reports", "acme", "2024-04")).content == before
    found = april_closed.get(f"/billing/disputes/{dispute['dispute_id']}").json()
    assert found["lines"][0]["credit"] == {"report_period": "2024-05", "report_status": "final"}
    assert april_closed.get("/billing/reports/acme/2024-05/verify").json()["verified"] is True


def test_whole_lead_is_each_of_its_billed_final_lines(april_closed: httpx.Client) -> None:
    credited = decided(
        april_closed, disputed(april_closed, action_id=line_of(april_closed, "Like"))
    )

    rest = disputed(april_closed)
    decided(april_closed, rest)
    may = report(april_closed, "acme", "2024-05")

    assert credited["billed"] == "2.00"
    assert [line["action_type"] for line in rest["lines"]] == ["Form", "Share"]
    assert (rest["billed"], may["due"]) == ("15.00", "-7.00")
    assert [line["amount"] for line in may["credits"]["lines"]] == ["2.00", "10.00", "5.00"]


def test_negative_due_stays_as_it_is_and_the_next_month_starts_at_nothing(
    april_closed: httpx.Client,
) -> None:
    decided(april_closed, disputed(april_closed))

    run = closed(april_closed, "2024-05")

    assert by_customer(run) == {"acme": ("closed", "-7.00")}
    assert report(april_closed, "acme", "2024-05")["due"] == "-7.00"
    assert report(april_closed, "acme", "2024-06")["due"] == "0.00"
    page = april_closed.get("/billing/reports/acme/2024-05.html").text
    assert "\u22127.00" in page
    assert "is credited" in page


def test_list_has_open_month_with_credits_alone_and_what_is_due(api: httpx.Client) -> None:
    register(api, customers={"acme": "UTC", "beta": "UTC"})
    for name in ("acme", "beta"):
        post(api, lead(f"lead-{name}", action(), customer_id=name)).raise_for_status()
    closed(api, "2024-04")
    decided(api, disputed(api, "lead-acme"))

    answer = api.get("/billing/reports").json()

    assert [(each["period"], each["customer_id"], each["due"]) for each in answer["data"]] == [
        ("2024-05", "acme", "-10.00"),
        ("2024-04", "acme", "10.00"),
        ("2024-04", "beta", "10.00"),
    ]
    assert (answer["due"], answer["totals"]["billed"]) == ("10.00", "20.00")


def test_rejected_line_stays_billed_and_can_be_disputed_again(april_closed: httpx.Client) -> None:
    form = line_of(april_closed, "Form")
    first = decided(
        april_closed, disputed(april_closed, action_id=form), "reject", note="it is genuine"
    )

    second = disputed(april_closed, action_id=form, reason="other", note="the person never asked")

    assert (first["status"], first["decision_note"]) == ("rejected", "it is genuine")
    assert report(april_closed, "acme", "2024-05")["due"] == "10.00"
    assert second["dispute_id"] != first["dispute_id"]
    decided(april_closed, second)
    assert report(april_closed, "acme", "2024-05")["due"] == "0.00"


def test_line_is_disputed_once_at_a_time_and_never_after_a_credit(
    april_closed: httpx.Client,
) -> None:
    form = line_of(april_closed, "Form")
    dispute = disputed(april_closed, action_id=form)

    assert refused(ask(april_closed, action_id=form)) == [("/action_id", "already_disputed")]
    decided(april_closed, dispute)
    assert refused(ask(april_closed, action_id=form)) == [("/action_id", "already_credited")]
    decided(april_closed, disputed(april_closed))
    assert {code for _, code in refused(ask(april_closed))} == {"already_credited"}
    closed(april_closed, "2024-05")
    assert ("/action_id", "already_credited") in refused(ask(april_closed, action_id=form))


def test_deciding_again_changes_nothing_and_never_turns(april_closed: httpx.Client) -> None:
    dispute = disputed(april_closed)
    accepted = decided(april_closed, dispute, actor="ann")

    again = decided(april_closed, dispute, actor="bob", note="me too")
    other = april_closed.post(f"/billing/disputes/{dispute['dispute_id']}/reject")

    assert again == accepted
    assert refused(other) == [("/status", "already_decided")]
    assert april_closed.post(f"/billing/disputes/{uuid4()}/accept").status_code == 404
    assert april_closed.get(f"/billing/disputes/{uuid4()}").status_code == 404
    assert april_closed.get("/billing/disputes/abc").status_code == 422


def test_only_what_is_final_and_was_billed_can_be_disputed(april_closed: httpx.Client) -> None:
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
    assert refused(ask(april_closed, "june", action_id=open_line)) == [
        ("/action_id", "line_not_final")
    ]
    assert refused(ask(april_closed, "june")) == [("/lead_id", "line_not_final")]
    post(april_closed, lead("bare", user=USER)).raise_for_status()
    assert refused(ask(april_closed, "bare")) == [("/lead_id", "line_not_final")]
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
    decided(april_closed, in_time.json())  # to decide takes as long as it takes
    assert {code for _, code in refused(ask(april_closed))} == {
        "already_credited",
        "dispute_window_over",
    }


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
        each for each in api.get("/rate-cards").json()["data"] if each["customer_id"] is None
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
        disputed(april_closed, action_id=line_of(april_closed, each)) for each in ("Form", "Share")
    )
    late = disputed(april_closed, "late")
    decided(april_closed, share, "reject")

    def listed(**query: str) -> list[str]:
        answer = april_closed.get("/billing/disputes", params=query)
        assert answer.status_code == 200, answer.text
        return [each["dispute_id"] for each in answer.json()["data"]]

    ids = [each["dispute_id"] for each in (late, share, form)]
    assert listed() == ids
    assert listed(status="open") == [ids[0], ids[2]]
    assert listed(status="rejected") == [ids[1]]
    assert listed(period="2024-05") == [ids[0]]
    assert listed(customer_id="acme", period="2024-04") == ids[1:]
    assert listed(customer_id="other") == []
    first = april_closed.get("/billing/disputes", params={"limit": 2}).json()
    rest = april_closed.get("/billing/disputes", params={"cursor": first["next_cursor"]}).json()
    assert [each["dispute_id"] for each in first["data"] + rest["data"]] == ids
    assert rest["next_cursor"] is None
    for bad in ({"status": "lost"}, {"period": "2024-13"}, {"cursor": "abc"}):
        assert april_closed.get("/billing/disputes", params=bad).status_code == 422


def test_lead_shows_what_was_disputed_and_credited(april_closed: httpx.Client) -> None:
    share = disputed(april_closed, action_id=line_of(april_closed, "Share"))
    decided(april_closed, share)
    disputed(april_closed, action_id=line_of(april_closed, "Like"), reason="duplicate")

    found = april_closed.get("/leads/lead-1").json()

    told = {each["action_type"]: each["dispute"] for each in found["actions"][:3]}
    assert found["credited"] == "5.00"
    assert told["Form"] is None
    assert told["Share"] == {
        "dispute_id": share["dispute_id"],
        "status": "accepted",
        "reason": "spam",
        "credited": "5.00",
        "credit": {"report_period": "2024-05", "report_status": "draft"},
    }
    assert (told["Like"]["status"], told["Like"]["credited"]) == ("open", "0.00")


def test_every_format_shows_credits(
    april_closed: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    decided(april_closed, disputed(april_closed, action_id=line_of(april_closed, "Share")))
    for status in ("draft", "final"):
        if status == "final":
            closed(april_closed, "2024-05")
        address = path_of("billing", "reports", "acme", "2024-05")
        shown = april_closed.get(f"{address}.csv").content.decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(shown, newline="")))
        page = april_closed.get(f"{address}.html").text
        print_report(terminal(), report(april_closed, "acme", "2024-05"))
        printed = capsys.readouterr().out

        assert [(row["outcome"], row["billed"], row["credit"]) for row in rows] == [
            ("billed", "10.00", ""),
            ("credit", "", "5.00"),
        ]
        assert rows[1]["explanation"].startswith("5.00 USD billed for Share (Medium)")
        assert "5.00 USD billed for Share (Medium) of lead lead-1" in page
        assert "Credit of 5.00" in printed


def test_two_acceptances_at_once_credit_once(april_closed: httpx.Client) -> None:
    dispute = disputed(april_closed)

    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda _: decided(april_closed, dispute), range(8)))
        opened = list(clients.map(lambda _: ask(april_closed).status_code, range(8)))

    assert len({json.dumps(answer) for answer in answers}) == 1
    assert set(opened) == {409}
    assert report(april_closed, "acme", "2024-05")["credits"]["total"] == "17.00"


def test_disputes_at_once_of_one_line_give_one(april_closed: httpx.Client) -> None:
    form = line_of(april_closed, "Form")

    with ThreadPoolExecutor(8) as clients:
        answers = list(
            clients.map(lambda _: ask(april_closed, action_id=form).status_code, range(8))
        )

    assert sorted(answers) == [201] + [409] * 7


def test_acceptance_while_months_are_closed_is_credited_once(api: httpx.Client) -> None:
    register(api)
    many = [action(f"Kind {n}", "2024-04-03T09:00:00Z", "Low") for n in range(24)]
    post(api, lead("lead-1", *many, user=USER)).raise_for_status()
    closed(api, "2024-04")
    lines = report(api, "acme", "2024-04")["lines"]
    disputes = [disputed(api, action_id=line["action_id"]) for line in lines]

    with ThreadPoolExecutor(6) as clients:
        accepting = clients.map(lambda dispute: decided(api, dispute), disputes)
        closing = clients.map(lambda month: closed(api, f"2024-{month:02d}", "acme"), range(5, 11))
        list(accepting), list(closing)
    closed(api, "2024-11")

    credited = [
        credit["action_id"]
        for month in range(5, 12)
        for credit in report(api, "acme", f"2024-{month:02d}")["credits"]["lines"]
    ]
    assert sorted(credited) == sorted(line["action_id"] for line in lines)
    assert api.get("/billing/reconciliation").json()["reconciled"] is True
    stored = execute("select period from billing_reports")
    for (month,) in stored:
        checked = api.get(f"/billing/reports/acme/{month:%Y-%m}/verify").json()
        assert checked["verified"] is True, checked


def test_credits_are_reconciled(april_closed: httpx.Client) -> None:
    decided(april_closed, disputed(april_closed, action_id=line_of(april_closed, "Share")))
    decided(april_closed, disputed(april_closed, action_id=line_of(april_closed, "Form")), "reject")
    closed(april_closed, "2024-05")
    decided(april_closed, disputed(april_closed))
    sound = april_closed.get("/billing/reconciliation").json()

    tamper(
        "billing_report_lines",
        "update billing_report_lines set billed_cents = 0 where action_type = 'Share'",
    )
    broken = april_closed.get("/billing/reconciliation", params={"customer_id": "acme"}).json()

    assert (sound["reconciled"], sound["credit_lines"]) == (True, {"final": 1, "draft": 3})
    assert (broken["reconciled"], broken["misplaced_credit_count"]) == (False, 1)


# --- what the database itself refuses


def refused_by_database(statement: str) -> str:
    with pytest.raises(DBAPIError) as raised, get_engine().begin() as connection:
        connection.execute(text(statement))
    return str(raised.value.orig)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (
            "insert into dispute_lines select customer_id, dispute_id, report_id, 3, action_id, 1 "
            "from dispute_lines",
            "billed less",
        ),
        (
            "insert into dispute_lines select customer_id, dispute_id, report_id, line_number, "
            "action_id, 501 from dispute_lines",
            "billed less",
        ),
        (
            "with another as (insert into disputes (customer_id, lead_id, reason, opened_by) "
            "select customer_id, lead_id, 'spam', '' from disputes returning dispute_id) "
            "insert into dispute_lines select customer_id, another.dispute_id, report_id, "
            "line_number, action_id, amount_cents from dispute_lines, another",
            "ix_dispute_lines_customer_id_report_id_line_number",
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
    decided(april_closed, disputed(april_closed, action_id=line_of(april_closed, "Share")))
    closed(april_closed, "2024-05")

    assert words in refused_by_database(statement)
