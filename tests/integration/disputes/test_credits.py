"""Credits: what is credited, on which report, and only once."""

import csv
import io
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import httpx
import pytest

from scripts.report import print_report, terminal
from tests.support.api import action, lead, path_of, post, register, report
from tests.support.closing import USER, by_customer, closed, execute, post_late
from tests.support.disputes import ask, disputed, line_of, resolved
from tests.support.tampering import tamper


def test_accepted_line_is_credited_to_the_cent_beside_late_actions(
    april_closed: httpx.Client,
) -> None:
    post_late(april_closed)
    before = april_closed.get(path_of("billing", "reports", "acme", "2024-04")).content
    share = line_of(april_closed, "Share")

    dispute = disputed(april_closed, action_id=share, note="from a bot", actor="ann")
    waiting = report(april_closed, "acme", "2024-05")
    accepted = resolved(april_closed, dispute, note="agreed", actor="bob")
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
    assert (draft["credits"]["total"], draft["due"]) == ("-5.00", "15.00")
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


def test_whole_lead_is_each_of_its_billed_lines_final_or_not(april_closed: httpx.Client) -> None:
    credited = resolved(
        april_closed, disputed(april_closed, action_id=line_of(april_closed, "Like"))
    )

    rest = disputed(april_closed)
    resolved(april_closed, rest)
    may = report(april_closed, "acme", "2024-05")

    assert credited["billed"] == "2.00"
    assert [line["action_type"] for line in rest["lines"]] == ["Form", "Share", "Form"]
    assert (rest["billed"], may["due"]) == ("25.00", "-17.00")
    amounts = [line["amount"] for line in may["credits"]["lines"]]
    assert amounts == ["-2.00", "-10.00", "-5.00", "-10.00"]


def test_negative_due_stays_as_it_is_and_the_next_month_starts_at_nothing(
    april_closed: httpx.Client,
) -> None:
    resolved(april_closed, disputed(april_closed))

    run = closed(april_closed, "2024-05")

    assert by_customer(run) == {"acme": ("closed", "-17.00")}
    assert report(april_closed, "acme", "2024-05")["due"] == "-17.00"
    assert report(april_closed, "acme", "2024-06")["due"] == "0.00"
    page = april_closed.get("/billing/reports/acme/2024-05.html").text
    assert "\u221217.00" in page
    assert "is credited" in page


def test_list_has_open_month_with_credits_alone_and_what_is_due(api: httpx.Client) -> None:
    register(api, customers={"acme": "UTC", "beta": "UTC"})
    for name in ("acme", "beta"):
        post(api, lead(f"lead-{name}", action(), customer_id=name)).raise_for_status()
    closed(api, "2024-04")
    resolved(api, disputed(api, "lead-acme"))

    answer = api.get("/billing/reports").json()

    assert [(entry["period"], entry["customer_id"], entry["due"]) for entry in answer["data"]] == [
        ("2024-05", "acme", "-10.00"),
        ("2024-04", "acme", "10.00"),
        ("2024-04", "beta", "10.00"),
    ]
    assert (answer["due"], answer["totals"]["billed"]) == ("10.00", "20.00")


def test_lead_shows_what_was_disputed_and_credited(april_closed: httpx.Client) -> None:
    share = disputed(april_closed, action_id=line_of(april_closed, "Share"))
    resolved(april_closed, share)
    disputed(april_closed, action_id=line_of(april_closed, "Like"), reason="duplicate")

    found = april_closed.get("/leads/lead-1").json()

    disputes_by_type = {row["action_type"]: row["dispute"] for row in found["actions"][:3]}
    assert found["credited"] == "5.00"
    assert disputes_by_type["Form"] is None
    assert disputes_by_type["Share"] == {
        "dispute_id": share["dispute_id"],
        "status": "accepted",
        "reason": "spam",
        "credited": "5.00",
        "credit": {"report_period": "2024-05", "report_status": "draft"},
    }
    assert (disputes_by_type["Like"]["status"], disputes_by_type["Like"]["credited"]) == (
        "open",
        "0.00",
    )


def test_every_format_shows_credits(
    april_closed: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    resolved(april_closed, disputed(april_closed, action_id=line_of(april_closed, "Share")))
    for status in ("draft", "final"):
        if status == "final":
            closed(april_closed, "2024-05")
        address = path_of("billing", "reports", "acme", "2024-05")
        shown = april_closed.get(f"{address}.csv").content.decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(shown, newline="")))
        page = april_closed.get(f"{address}.html").text
        print_report(terminal(), report(april_closed, "acme", "2024-05"))
        printed = capsys.readouterr().out

        assert [(row["outcome"], row["billed"]) for row in rows] == [
            ("billed", "10.00"),
            ("credit", "-5.00"),
        ]
        assert rows[1]["explanation"].startswith("5.00 USD billed for Share (Medium)")
        assert "5.00 USD billed for Share (Medium) of lead lead-1" in page
        assert "Credit of -5.00" in printed


def test_two_acceptances_at_once_credit_once(april_closed: httpx.Client) -> None:
    dispute = disputed(april_closed)

    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda _: resolved(april_closed, dispute), range(8)))
        opened = list(clients.map(lambda _: ask(april_closed).status_code, range(8)))

    assert len({json.dumps(answer) for answer in answers}) == 1
    assert set(opened) == {409}
    assert report(april_closed, "acme", "2024-05")["credits"]["total"] == "-27.00"


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
        accepting = clients.map(lambda dispute: resolved(api, dispute), disputes)
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
    resolved(april_closed, disputed(april_closed, action_id=line_of(april_closed, "Share")))
    resolved(
        april_closed, disputed(april_closed, action_id=line_of(april_closed, "Form")), "reject"
    )
    closed(april_closed, "2024-05")
    resolved(april_closed, disputed(april_closed))
    sound = april_closed.get("/billing/reconciliation").json()

    tamper(
        "billing_report_lines",
        "update billing_report_lines set billed_cents = 0 where action_type = 'Share'",
    )
    broken = april_closed.get("/billing/reconciliation", params={"customer_id": "acme"}).json()

    assert (sound["reconciled"], sound["credit_lines"]) == (True, {"final": 1, "draft": 3})
    assert (broken["reconciled"], broken["misplaced_credit_count"]) == (False, 1)
