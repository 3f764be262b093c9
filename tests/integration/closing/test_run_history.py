"""Who closed what and when, and whether every action is accounted for."""

import subprocess
import sys
from pathlib import Path

import httpx

from tests.support.api import action, amounts, lead, post, register
from tests.support.closing import close, closed, execute, forget_price

PROJECT = Path(__file__).resolve().parents[3]


def two_customers(client: httpx.Client) -> None:
    register(client, customers={"acme": "UTC", "beta": "UTC"})
    for name in ("acme", "beta"):
        actions = [
            action("Form", "2024-04-03T09:00:00Z", "Medium"),
            action("Form", "2024-05-03T09:00:00Z", "Medium"),
        ]
        post(client, lead(f"lead-{name}", *actions, customer_id=name)).raise_for_status()


def test_history_says_who_closed_what_and_who_still_waits(api: httpx.Client) -> None:
    two_customers(api)
    forget_price("beta")
    closed(api, "2024-04")
    api.post(
        "/billing/periods/2024-04/close", json={"actor": "ann", "customer_ids": ["acme"]}
    ).raise_for_status()

    newest, oldest = api.get("/billing/runs").json()["data"]

    assert (newest["actor"], newest["period"]) == ("ann", "2024-04")
    assert (newest["closed"], newest["already_closed"], newest["failed"]) == (0, 1, 0)
    assert (oldest["closed"], oldest["already_closed"], oldest["failed"]) == (1, 0, 1)
    assert (oldest["actor"], oldest["due"]) == ("api", "5.00")
    assert amounts(oldest["totals"]) == ("5.00", "5.00", "0.00", "0.00")
    assert (oldest["totals"]["leads"], oldest["totals"]["actions"]) == (1, 1)
    assert (oldest["prior_period_billed"], oldest["credits"]) == ("0.00", "0.00")
    assert (newest["totals"]["actions"], newest["due"]) == (0, "0.00")
    assert 0 <= oldest["duration_seconds"] < 60
    assert [result["customer_id"] for result in oldest["parked"]] == ["beta"]
    assert "no price" in oldest["parked"][0]["reason"]
    assert newest["parked"] == []


def test_run_that_was_cut_short_stays_in_the_history_with_what_it_closed(
    api: httpx.Client,
) -> None:
    two_customers(api)
    closed(api, "2024-04")
    execute("update billing_runs set finished_at = null, closed = 0, due_cents = 0")

    (run,) = api.get("/billing/runs").json()["data"]

    assert (run["finished_at"], run["duration_seconds"]) == (None, None)
    assert (run["closed"], run["totals"]["billed"], run["due"]) == (2, "10.00", "10.00")


def test_history_comes_page_by_page(api: httpx.Client) -> None:
    two_customers(api)
    for _ in range(5):
        closed(api, "2024-04")
    whole = [run["run_id"] for run in api.get("/billing/runs").json()["data"]]

    paged, cursor = [], None
    for _ in range(3):
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = api.get("/billing/runs", params=query).json()
        paged += [run["run_id"] for run in page["data"]]
        cursor = page["next_cursor"]

    assert cursor is None
    assert paged == whole
    assert len(whole) == 5
    assert api.get("/billing/runs", params={"cursor": "abc"}).status_code == 422


def test_every_action_is_on_exactly_one_line(api: httpx.Client) -> None:
    two_customers(api)
    closed(api, "2024-04")
    late = [action("Call", "2024-04-05T09:00:00Z"), action("Call", "2024-04-06T09:00:00Z")]
    post(api, lead("late", *late)).raise_for_status()
    closed(api, "2024-05")
    post(api, lead("later", action("Fax", "2024-05-05T09:00:00Z"))).raise_for_status()
    post(api, lead("june", action("Fax", "2024-06-05T09:00:00Z"), customer_id="beta"))

    answer = api.get("/billing/reconciliation").json()
    of_acme = api.get("/billing/reconciliation", params={"customer_id": "acme"}).json()

    assert answer == {
        "reconciled": True,
        "actions": 8,
        "final_lines": 4,
        "draft_lines": 1,
        "prior_period_lines": {"final": 2, "draft": 1},
        "credit_lines": {"final": 0, "draft": 0},
        "misplaced_credit_count": 0,
        "misplaced_count": 0,
        "misplaced": [],
    }
    assert (of_acme["actions"], of_acme["final_lines"], of_acme["draft_lines"]) == (5, 2, 0)
    assert api.get("/billing/reconciliation", params={"customer_id": "x"}).status_code == 422


def test_nothing_stored_is_reconciled(api: httpx.Client) -> None:
    assert api.get("/billing/reconciliation").json()["reconciled"] is True


def test_line_without_its_action_is_found(api: httpx.Client) -> None:
    two_customers(api)
    closed(api, "2024-04")
    execute("alter table actions disable trigger user")
    execute("delete from actions where timestamp < '2024-05-01' and customer_id in "
            "(select customer_id from customers where external_id = 'beta')")  # fmt: skip

    answer = api.get("/billing/reconciliation").json()

    assert (answer["reconciled"], answer["misplaced_count"]) == (False, 1)
    (misplaced,) = answer["misplaced"]
    assert (misplaced["lead_id"], misplaced["detail"]) == (
        "lead-beta",
        "is on 1 lines, but is not stored",
    )


def test_late_action_that_is_not_marked_is_found(api: httpx.Client) -> None:
    two_customers(api)
    closed(api, "2024-04")
    late = action("Late", "2024-04-02T00:00:00Z")
    post(api, lead("late", late, customer_id="beta")).raise_for_status()
    execute("delete from late_actions")

    answer = api.get("/billing/reconciliation").json()

    assert (answer["reconciled"], answer["misplaced_count"]) == (False, 1)
    (misplaced,) = answer["misplaced"]
    assert (misplaced["lead_id"], misplaced["detail"]) == ("late", "is on no line")


def run_close(client: httpx.Client, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "scripts.close", *arguments, "--api", str(client.base_url)]
    return subprocess.run(
        command, cwd=PROJECT, check=False, capture_output=True, text=True, timeout=60
    )


def test_close_prints_what_became_of_each_customer(api: httpx.Client) -> None:
    two_customers(api)
    forget_price("beta")

    mixed = run_close(api, "2024-04")
    named = run_close(api, "2024-05", "--customers", "acme")
    failed = run_close(api, "2024-04", "--customers", "beta")
    refused = run_close(api, "2999-01")

    assert (mixed.returncode, named.returncode, failed.returncode) == (1, 0, 1)
    assert "2024-04: 1 closed, 0 already closed, 1 failed. Newly due: 5.00." in mixed.stdout
    assert "no price" in mixed.stdout
    assert "2024-05: 1 closed" in named.stdout
    assert "0 closed, 0 already closed, 1 failed" in failed.stdout
    assert "not over yet" in refused.stderr
    assert close(api, "2024-04", "acme").json()["already_closed"] == 1
    assert api.get("/billing/runs").json()["data"][-1]["actor"] != "api"
