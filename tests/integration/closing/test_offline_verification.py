"""Downloaded reports: whatever is changed in them is found offline, without the database."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.api import action, lead, post, register
from tests.support.verification import NAME, address, close, run_offline, verified


def downloaded(client: httpx.Client, folder: Path) -> list[Path]:
    files = []
    for period in ("2024-04", "2024-05", "2024-06"):
        files.append(folder / f"{period}.json")
        files[-1].write_bytes(client.get(address(period)).content)
    return files


def test_downloaded_reports_and_their_chain_are_verified_offline(
    closed_months: httpx.Client, tmp_path: Path
) -> None:
    ended = run_offline(*reversed(downloaded(closed_months, tmp_path)))

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.count("verified") == 3
    assert "chain of 3" in ended.stdout


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda report: report["lines"][2].update(billed="0.00"), "line 3"),
        (
            lambda report: report["lines"][2].update(action_type="Else"),
            "line 3 is not of its action",
        ),
        (lambda report: report["lines"][2].update(action_type='kind 1\t"É\\'), "hash"),
        (lambda report: report["lines"][2].update(engagement_level="Low"), "line 3 is not of"),
        (lambda report: report["lines"][2].update(timestamp="2024-04-02T12:00:00Z"), "line 3 is"),
        (lambda report: report["lines"][2].update(cap_used_before="99.00"), "line 3 does not add"),
        (lambda report: report["lines"].pop(), "lines"),
        (lambda report: report.update(due="1.00"), "due"),
        (lambda report: report.update(timezone="UTC"), "hash"),
        (lambda report: report["totals"].update(billed="1.00"), "billed"),
        (lambda report: report.update(content_hash="0" * 64), "hash"),
        (lambda report: report.update(next_cursor="MQ"), "pages of /lines"),
        (lambda report: report.update(status="draft"), "draft"),
        (lambda report: report["lines"][2].update(rate="product"), "hash"),
        (lambda report: report["lines"][2].update(outcome="capped"), "line 3"),
        (
            lambda report: report["lines"][1]["savings"].update(duplicate="0.00", cap="10.00"),
            "line 2 does not add up",
        ),
        (lambda report: report["lines"][1]["duplicate_of"].update(lead_id="l-9"), "hash"),
        (lambda report: report.update(hash_version=2), "version 2"),
        (lambda report: report.update(customer_name="Acme"), "hash"),
        (lambda report: report.update(issuer="Somebody"), "hash"),
        (lambda report: report.update(finalized_at="2024-05-01T00:00:00Z"), "hash"),
        (lambda report: report["by_product"][0].update(name="Other"), "hash"),
        (lambda report: report["lines"][2].update(cap_used_after="1.00"), "line 3"),
        (lambda report: report["by_lead"][0]["totals"].update(billed="1.00"), "l-1 by_lead"),
        (lambda report: report["by_user"][0]["totals"].update(actions=1), "by_user count 1"),
        (lambda report: report["by_product"].pop(), "by_product"),
        (lambda report: report["by_lead_type"][0].update(lead_type="Event"), "by_lead_type"),
    ],
)
def test_changed_download_is_refused_offline(
    closed_months: httpx.Client, tmp_path: Path, change: Any, message: str
) -> None:
    file = downloaded(closed_months, tmp_path)[0]
    document = json.loads(file.read_bytes())
    change(document)
    file.write_text(json.dumps(document))

    ended = run_offline(file)

    assert ended.returncode == 1
    assert message in ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda credits: credits["lines"].pop(), "credits do not add up"),
        (lambda credits: credits["lines"][0].update(reason="spam"), "hash"),
        (lambda credits: credits["lines"][0].update(line_number=1), "hash"),
        (lambda credits: credits["lines"].reverse(), "hash"),
        (lambda credits: credits.update(total="0.00", lines=[]), "with its credits"),
    ],
)
def test_changed_credit_of_a_download_is_refused_offline(
    closed_months: httpx.Client, tmp_path: Path, change: Any, message: str
) -> None:
    file = downloaded(closed_months, tmp_path)[1]
    document = json.loads(file.read_bytes())
    change(document["credits"])
    file.write_text(json.dumps(document))

    ended = run_offline(file)

    assert ended.returncode == 1
    assert message in ended.stderr


def test_action_types_of_any_script_are_verified_offline(api: httpx.Client, tmp_path: Path) -> None:
    register(api, customers={NAME: "UTC"}, products="abc")
    spelled = ["  Stra\u00dfe\u2003 Zwei ", "\u0130stanbul", "\u03a3\u0391\u03a3", "e\u0301",
               "\u01f0", "\U0001f600 Like", "\u3000\u6771\u4eac\u3000", "\ufb01nd"]  # fmt: skip
    actions = [action(spelling, "2024-04-03T09:00:00.000001+05:30") for spelling in spelled]
    lead_id = "5D3C7A10-0000-4000-8000-00000000000A"
    post(api, lead(lead_id, *actions, *actions, customer_id=NAME)).raise_for_status()
    close(api, "2024-04")
    file = tmp_path / "april.json"
    file.write_bytes(api.get(address("2024-04")).content)

    ended = run_offline(file)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "16 lines" in ended.stdout
    assert verified(api, "2024-04")["verified"] is True


def test_report_left_out_of_a_chain_is_noticed_offline(
    closed_months: httpx.Client, tmp_path: Path
) -> None:
    first, _, last = downloaded(closed_months, tmp_path)

    ended = run_offline(first, last)

    assert ended.returncode == 1
    assert "chain" in ended.stdout + ended.stderr


def _in_pages(client: httpx.Client, folder: Path, period: str) -> list[Path]:
    """Files of a report whose own file holds one line, and of the pages behind it."""
    documents = [client.get(address(period), params={"limit": 1}).raise_for_status().json()]
    cursor = documents[0]["next_cursor"]
    while cursor is not None:
        query = {"limit": 5, "cursor": cursor}
        documents.append(client.get(f"{address(period)}/lines", params=query).json())
        cursor = documents[-1]["next_cursor"]
    files = [folder / f"{period}-{number}.json" for number in range(len(documents))]
    for file, document in zip(files, documents, strict=True):
        file.write_text(json.dumps(document))
    return files


def test_report_in_pages_is_verified_offline_with_all_of_them(
    closed_months: httpx.Client, tmp_path: Path
) -> None:
    april = _in_pages(closed_months, tmp_path, "2024-04")
    may = downloaded(closed_months, tmp_path)[1]
    assert len(april) > 2

    whole = run_offline(*april, may)
    short = run_offline(*april[:-1], may)
    alone = run_offline(april[1])

    assert (whole.returncode, whole.stderr) == (0, "")
    assert "chain of 2" in whole.stdout
    assert short.returncode == alone.returncode == 1
    assert "add the pages of /lines" in short.stderr
    assert "name the file of its report before it" in alone.stderr


def test_report_is_fetched_with_its_pages_and_verified(
    api: httpx.Client, gateway_address: str, tmp_path: Path
) -> None:
    register(api, customers={NAME: "UTC"}, products="abc")
    leads = [
        lead(f"l-{number}", action("Call"), customer_id=NAME, user={"external_id": f"u{number}"})
        for number in range(1_050)
    ]
    for first in range(0, len(leads), 525):
        post(api, leads[first : first + 525]).raise_for_status()
    close(api, "2024-04")
    kept = tmp_path / "april.json"

    fetched = run_offline("--url", f"{gateway_address}{address('2024-04')}", "--save", kept)
    again = run_offline(kept)

    assert (fetched.returncode, fetched.stderr) == (0, "")
    assert "1050 lines" in fetched.stdout
    assert (again.returncode, again.stderr) == (0, "")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/billing/reports/acme/2024-04", "file:///x"])
def test_report_that_cannot_be_fetched_is_refused(url: str) -> None:
    ended = run_offline("--url", url)

    assert ended.returncode == 1
    assert "NOT verified" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_file_that_is_no_report_is_refused_offline(tmp_path: Path) -> None:
    file = tmp_path / "other.json"
    for content in ("[]", "{}", "nonsense", '{"status": "final"}'):
        file.write_text(content)

        ended = run_offline(file)

        assert ended.returncode == 1
        assert "Traceback" not in ended.stderr
