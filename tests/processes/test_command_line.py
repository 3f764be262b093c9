"""The commands a person types: make, and what its targets run."""

import hashlib
import os
import pwd
import re
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from scripts.seed import STATUSES, campaign

PROJECT = Path(__file__).resolve().parents[2]
UNTIL = datetime(2024, 7, 1, tzinfo=UTC)


def run(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def run_module(module: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, "-m", module, *arguments)


def seeded_counts(output: str) -> dict[str, int]:
    """The counts of the summary table, by status."""
    cells = re.findall(r"[\d,]+", output.splitlines()[-2])
    return dict(zip(STATUSES, map(int, cells), strict=False))


def test_help_lists_every_target() -> None:
    makefile = (PROJECT / "Makefile").read_text()
    targets = dict(re.findall(r"^([a-z][a-z-]*):(?!=)[^#\n]*(?:## (.*))?", makefile, re.MULTILINE))

    listed = dict(line.split(maxsplit=1) for line in run("make", "help").stdout.splitlines()[1:])

    assert {"demo", "run", "seed", "report", "migrate", "test", "check"} <= set(targets)
    assert listed.items() >= targets.items()


def test_make_without_a_target_prints_the_help() -> None:
    assert run("make").stdout == run("make", "help").stdout


def test_same_seed_gives_the_same_requests_byte_for_byte() -> None:
    first, second, other = (
        hashlib.sha256(b"".join(campaign(seed, 300, UNTIL).bodies())).hexdigest()
        for seed in (1, 1, 2)
    )

    assert first == second != other


def test_seed_sends_every_lead_once_first_and_repeats_in_a_later_batch() -> None:
    batches = campaign(1, 1200, UNTIL).batches

    ids = [lead["lead_id"] for batch in batches for lead in batch]
    assert len(set(ids)) == 1200 < len(ids)
    for batch in batches:
        assert len(batch) <= 500
        assert max(Counter(lead["lead_id"] for lead in batch).values()) == 1


def test_seed_sent_twice_changes_nothing(gateway: httpx.Client) -> None:
    arguments = ("--leads", 600, "--seed", 7, "--api", gateway.base_url)

    first, second = (run_module("scripts.seed", *arguments) for _ in range(2))

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    sent, resent = seeded_counts(first.stdout), seeded_counts(second.stdout)
    assert sent["created"] > 500
    assert all(sent[status] > 0 for status in ("updated", "unchanged", "quarantined", "invalid"))
    assert (resent["created"], resent["updated"]) == (0, 0)
    assert sum(resent.values()) == sum(sent.values())


def test_report_is_printed_with_its_explanations(gateway: httpx.Client) -> None:
    gateway.put("/customers/acme", json={"name": "Acme", "email": "billing@acme.example"})
    gateway.put("/products/crm", json={"name": "CRM \x1b[2J[red]"})
    action = {
        "action_type": "Form Submission",
        "timestamp": "2024-04-02T10:00:00Z",
        "engagement_level": "High",
    }
    lead = {
        "lead_id": "lead-1",
        "customer_id": "acme",
        "product_id": "crm",
        "lead_type": "Referral",
        "created_at": "2024-04-02T09:00:00Z",
        "actions": [action, action],
    }
    gateway.post("/leads", json=lead).raise_for_status()

    printed = run_module("scripts.report", "acme", "2024-04", "--api", gateway.base_url)

    assert printed.returncode == 0, printed.stderr
    for figure in ("Acme", "April 2024", "[2J[red]", "20.00", "10.00", "Duplicate of"):
        assert figure in printed.stdout
    assert "\x1b" not in printed.stdout


def test_report_of_an_unknown_customer_is_one_sentence(gateway: httpx.Client) -> None:
    printed = run_module("scripts.report", "nobody", "2024-04", "--api", gateway.base_url)

    assert printed.returncode == 1
    assert re.match(
        r"error: GET /billing/reports/nobody/2024-04 answered 404: .+\n$", printed.stderr
    )


@pytest.mark.parametrize(
    "wrong", [("--until", "soon"), ("--until", "0001-01-01"), ("--leads", "-5")]
)
def test_wrong_argument_of_seed_is_named(wrong: tuple[str, str]) -> None:
    refused = run_module("scripts.seed", *wrong)

    assert refused.returncode == 2
    assert re.search(rf"error: argument {wrong[0]}: '{wrong[1]}' is not .+\n$", refused.stderr)


@pytest.mark.parametrize("module", ["scripts.report", "scripts.seed"])
def test_command_without_a_server_says_how_to_start_one(module: str) -> None:
    arguments = ("acme", "2024-04") if module == "scripts.report" else ()

    refused = run_module(module, *arguments, "--api", "http://127.0.0.1:9")

    assert refused.returncode == 1
    assert "no server answers at http://127.0.0.1:9: start one with `make demo`" in refused.stderr


def test_added_lead_type_is_accepted_from_then_on(gateway: httpx.Client) -> None:
    gateway.put("/customers/acme", json={"name": "Acme", "email": "billing@acme.example"})
    gateway.put("/products/crm", json={"name": "CRM"})
    lead = {
        "lead_id": "lead-1",
        "customer_id": "acme",
        "product_id": "crm",
        "lead_type": "Podcast",
        "created_at": "2024-04-02T09:00:00Z",
        "actions": [],
    }
    refused = gateway.post("/leads", json=lead)

    added, repeated = (run_module("scripts.add_lead_type", "Podcast") for _ in range(2))
    accepted = gateway.post("/leads", json=lead)

    assert "is added" in added.stdout, added.stderr
    assert "exists already" in repeated.stdout
    assert (refused.status_code, accepted.status_code) == (422, 201)
    (entry,) = gateway.get("/audit", params={"subject": "lead_type", "actor": "command"}).json()[
        "data"
    ]
    assert entry["actor"] == f"command add-lead-type by {pwd.getpwuid(os.geteuid()).pw_name}"
    assert (entry["action"], entry["subject_id"]) == ("created", "Podcast")
