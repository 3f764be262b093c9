"""Disputes of lines of a draft: the credit on the same report, shown, closed and checked."""

import csv
import io
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from scripts.verify_report import cents
from tests.support.api import PROJECT, action, lead, post, report
from tests.support.closing import by_customer, closed
from tests.support.disputes import Later, ask, disputed, line_of, refused, resolved
from tests.support.tampering import tamper

APRIL = "2024-04"
PAGE = {"accept": "text/html"}
SHARE = action("Share", "2024-04-02T09:00:00Z", "Medium")


@pytest.fixture
def draft(acme: httpx.Client) -> httpx.Client:
    """April open: a Form of 10.00 and a Share of 5.00, of lead-1."""
    post(acme, lead("lead-1", action("Form"), SHARE)).raise_for_status()
    return acme


@pytest.fixture
def credited(draft: httpx.Client) -> httpx.Client:
    """The same, with the Share credited on the draft."""
    resolved(draft, disputed(draft, action_id=line_of(draft, "Share")))
    return draft


def due_in_list(client: httpx.Client) -> dict[str, str]:
    entries = client.get("/billing/reports").json()["data"]
    return {entry["period"]: entry["due"] for entry in entries}


def test_dispute_of_a_draft_line_says_where_it_stands(draft: httpx.Client) -> None:
    dispute = disputed(draft, action_id=line_of(draft, "Share"))
    (opened,) = dispute["lines"]
    (accepted,) = resolved(draft, dispute)["lines"]
    (listed,) = draft.get("/billing/disputes", params={"period": APRIL}).json()["data"]
    closed(draft, APRIL)
    found = draft.get(f"/billing/disputes/{dispute['dispute_id']}").json()

    place = {"report_period": APRIL, "report_status": "draft"}
    assert {name: opened[name] for name in place} == place
    assert (opened["line_number"], opened["billed"], opened["credit"]) == (None, "5.00", None)
    assert accepted["credit"] == place
    assert listed["lines"] == [accepted]
    assert draft.get("/billing/disputes", params={"period": "2024-05"}).json()["data"] == []
    (final,) = found["lines"]
    assert (final["line_number"], final["report_status"]) == (2, "final")
    assert final["credit"] == {"report_period": APRIL, "report_status": "final"}
    assert found["credited"] == "5.00"


def test_credit_on_a_draft_is_shown_and_closed_with_it(credited: httpx.Client) -> None:
    shown = report(credited, "acme", APRIL)
    listed = due_in_list(credited)
    page = credited.get("/console/close", params={"period": APRIL}, headers=PAGE).text

    run = closed(credited, APRIL)

    (credit,) = shown["credits"]["lines"]
    assert (credit["line_number"], credit["amount"]) == (None, "-5.00")
    assert "of lead lead-1, the draft of April 2024, is credited" in credit["explanation"]
    assert (shown["due"], listed) == ("10.00", {APRIL: "10.00"})
    assert "10.00" in page
    assert by_customer(run) == {"acme": ("closed", "10.00")}
    final = report(credited, "acme", APRIL)
    (credit,) = final["credits"]["lines"]
    assert (credit["report_id"], credit["line_number"]) == (final["report_id"], 2)
    assert (final["due"], due_in_list(credited)) == ("10.00", {APRIL: "10.00"})
    assert report(credited, "acme", "2024-05")["credits"]["lines"] == []


def test_credits_of_one_report_are_numbered_as_the_draft_showed_them(acme: httpx.Client) -> None:
    post(acme, lead("early", action("Form", "2024-03-01T09:00:00Z"))).raise_for_status()
    closed(acme, "2024-03")
    post(acme, lead("late", action("Late", "2024-03-02T09:00:00Z", "Low"))).raise_for_status()
    post(acme, lead("lead-1", action("Form"), SHARE)).raise_for_status()
    for name in ("lead-1", "late", "early"):
        resolved(acme, disputed(acme, name))
    shown = report(acme, "acme", APRIL)
    closed(acme, APRIL)
    final = report(acme, "acme", APRIL)

    def listed(bill: Any) -> list[tuple[str, str]]:
        return [(credit["lead_id"], credit["amount"]) for credit in bill["credits"]["lines"]]

    assert listed(shown) == listed(final)
    assert listed(final) == [
        ("lead-1", "-10.00"),
        ("lead-1", "-5.00"),
        ("late", "-2.00"),
        ("early", "-10.00"),
    ]
    assert (shown["due"], final["due"]) == ("-10.00", "-10.00")


def test_hash_covers_credits_of_its_own_lines(credited: httpx.Client, tmp_path: Path) -> None:
    closed(credited, APRIL)
    final = report(credited, "acme", APRIL)
    assert credited.get(f"/billing/reports/acme/{APRIL}/verify").json()["verified"] is True
    assert credited.get("/billing/reconciliation").json()["reconciled"] is True

    def check(bill: Any) -> str:
        file = tmp_path / "april.json"
        file.write_text(json.dumps(bill))
        script = str(PROJECT / "scripts" / "verify_report.py")
        done = subprocess.run(
            [sys.executable, script, str(file)], capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    assert "verified: acme" in check(final)
    final["credits"]["lines"][0]["line_number"] = 1
    assert "credit 1 is not of line 1" in check(final)

    tamper(
        "billing_report_credits",
        "update billing_report_credits set amount_cents = 500, credit_hash = 'x'",
    )
    found = credited.get(f"/billing/reports/acme/{APRIL}/verify").json()
    assert (found["verified"], found["tampered_credits"]) == (False, [1])


def test_files_of_a_draft_with_credits_add_up(credited: httpx.Client) -> None:
    for _ in range(2):
        text = credited.get(f"/billing/reports/acme/{APRIL}.csv").content.decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text)))
        assert sum(cents(row["billed"]) for row in rows) == 1000
        for extension in ("html", "pdf"):
            credited.get(f"/billing/reports/acme/{APRIL}.{extension}").raise_for_status()
        closed(credited, APRIL)


def test_dispute_window_is_told_and_begins_when_the_report_is_closed(
    draft: httpx.Client, later: Later
) -> None:
    before = report(draft, "acme", APRIL)
    page = draft.get("/console/lead", params={"id": "lead-1"}, headers=PAGE).text
    closed(draft, APRIL)
    after = report(draft, "acme", APRIL)
    of_lead = draft.get("/leads/lead-1").json()["actions"]
    html = draft.get(f"/billing/reports/acme/{APRIL}.html").text

    assert before["dispute_until"] is None
    assert "console/new-dispute" in page
    until = datetime.fromisoformat(after["dispute_until"])
    assert until - datetime.fromisoformat(after["finalized_at"]) == timedelta(days=60)
    assert {each["dispute_until"] for each in of_lead} == {after["dispute_until"]}
    assert f"can be disputed until {until.astimezone(UTC):%Y-%m-%d}" in html
    later(timedelta(days=61))
    page = draft.get("/console/lead", params={"id": "lead-1"}, headers=PAGE).text
    assert "console/new-dispute" not in page


def test_no_link_disputes_a_line_twice(draft: httpx.Client) -> None:
    share = line_of(draft, "Share")
    dispute = disputed(draft, action_id=share)
    pages = {
        name: draft.get(address, headers=PAGE).text
        for name, address in (
            ("lead", "/console/lead?id=lead-1"),
            ("report", f"/billing/reports/acme/{APRIL}.html"),
        )
    }
    resolved(draft, dispute, "reject")
    again = draft.get("/console/lead?id=lead-1", headers=PAGE).text

    for page in pages.values():
        assert f"action_id={line_of(draft, 'Form')}" in page
    link = f"new-dispute?lead_id=lead-1&amp;customer_id=acme&amp;action_id={share}"
    assert link in again
    assert not any(link in page for page in pages.values())


def test_dispute_that_is_opened_on_a_draft_is_decided_long_after(
    draft: httpx.Client, later: Later
) -> None:
    dispute = disputed(draft, action_id=line_of(draft, "Share"))
    closed(draft, APRIL)
    later(timedelta(days=400))

    resolved(draft, dispute)

    assert report(draft, "acme", "2024-05")["credits"]["total"] == "-5.00"


def test_acceptance_and_close_at_once_credit_once(draft: httpx.Client) -> None:
    dispute = disputed(draft)

    with ThreadPoolExecutor(6) as clients:
        accepted = [clients.submit(resolved, draft, dispute) for _ in range(3)]
        runs = [clients.submit(closed, draft, APRIL) for _ in range(3)]
        for each in (*accepted, *runs):
            each.result()

    credits = [
        credit["amount"]
        for month in (APRIL, "2024-05")
        for credit in report(draft, "acme", month)["credits"]["lines"]
    ]
    assert sorted(credits) == ["-10.00", "-5.00"]
    assert draft.get(f"/billing/reports/acme/{APRIL}/verify").json()["verified"] is True


def test_voided_action_cannot_be_disputed(draft: httpx.Client) -> None:
    share = line_of(draft, "Share")
    body = {"action_ids": [share], "reason": "sent twice"}
    draft.post("/leads/lead-1/void", json=body).raise_for_status()

    assert refused(ask(draft, action_id=share), 422) == [("/action_id", "unknown_action")]


def test_line_that_comes_to_nothing_by_closing_has_no_credit(draft: httpx.Client) -> None:
    dispute = disputed(draft, action_id=line_of(draft, "Share"))
    resolved(draft, dispute)
    earlier = action("Share", "2024-04-01T09:00:00Z", "Medium")
    user = {"email": "lead-1@people.test"}
    post(draft, lead("lead-0", earlier, user=user)).raise_for_status()
    shown = report(draft, "acme", APRIL)["credits"]["lines"]
    closed(draft, APRIL)

    assert (shown, report(draft, "acme", APRIL)["credits"]["lines"]) == ([], [])
    assert report(draft, "acme", "2024-05")["credits"]["lines"] == []
    found = draft.get(f"/billing/disputes/{dispute['dispute_id']}").json()
    assert (found["status"], found["billed"], found["credited"]) == ("accepted", "0.00", "0.00")
    assert found["lines"][0]["credit"] is None
    assert draft.get("/billing/reconciliation").json()["reconciled"] is True
