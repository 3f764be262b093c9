"""What a final report's hash is worth: whatever is changed in the database is found and named."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from common.database.transactions import transaction
from tests.support.api import action, lead, path_of, post, register
from tests.support.tampering import tamper

PROJECT = Path(__file__).resolve().parents[3]
NAME = "acme/öl"
USER = {"email": "ann@people.test"}


def address(period: str, *rest: str) -> str:
    return path_of("billing", "reports", NAME, period, *rest)


def close(client: httpx.Client, period: str) -> None:
    client.post(f"/billing/periods/{period}/close").raise_for_status()


def verified(client: httpx.Client, period: str) -> Any:
    answer = client.get(address(period, "verify"))
    answer.raise_for_status()
    return answer.json()


def columns_of(table: str) -> list[str]:
    with transaction() as session:
        names = text("select column_name from information_schema.columns where table_name = :table")
        return list(session.scalars(names, {"table": table}))


def credit(client: httpx.Client, *actions: str) -> None:
    """Has lines of l-1 disputed, and accepts it."""
    for action_id in actions:
        body = {"lead_id": "l-1", "action_id": action_id, "reason": "out_of_area"}
        dispute = client.post("/billing/disputes", json=body)
        dispute.raise_for_status()
        address = f"/billing/disputes/{dispute.json()['dispute_id']}/accept"
        client.post(address, json={"note": "ann@people.test"}).raise_for_status()


@pytest.fixture
def closed_months(api: httpx.Client) -> httpx.Client:
    """Three final reports in a chain: repeats, a split, late lines and credits among them."""
    register(api, customers={NAME: "Asia/Kolkata"}, products="abc \u20acdef")
    many = [action(f"Kind {number}\t\"é\\", f"2024-04-{number + 1:02d}T12:00:00.5Z")
            for number in range(11)]  # fmt: skip
    post(api, lead("l-1", *many, many[0], customer_id=NAME, user=USER)).raise_for_status()
    may = action("Call\u007f", "2024-05-03T12:00:00Z", "Low")
    post(api, lead("l-2", may, customer_id=NAME, product_id="\u20acdef")).raise_for_status()
    close(api, "2024-04")
    late = [action('Kind 1\t"é\\', "2024-04-01T08:00:00Z"), action("Late", "2024-04-01T08:00:00Z")]
    post(api, lead("l-3", *late, customer_id=NAME)).raise_for_status()
    lines = api.get(address("2024-04")).json()["lines"]
    credit(api, lines[4]["action_id"], lines[2]["action_id"])
    close(api, "2024-05")
    post(api, lead("l-4", action("Later", "2024-04-01T09:00:00Z"), customer_id=NAME, user=USER))
    close(api, "2024-06")
    post(api, lead("l-5", action("Open", "2024-04-01T09:00:00Z"), customer_id=NAME, user=USER))
    return api


@pytest.mark.parametrize(("period", "lines"), [("2024-04", 12), ("2024-05", 3), ("2024-06", 1)])
def test_untouched_report_is_verified_from_its_lines_and_from_the_actions(
    closed_months: httpx.Client, period: str, lines: int
) -> None:
    answer = verified(closed_months, period)

    assert answer["verified"] is True, answer
    assert answer["lines"] == lines
    assert answer["content_hash"] == answer["hash_of_stored_lines"] == answer["hash_of_actions"]
    assert (answer["tampered_lines"], answer["tampered_fields"]) == ([], [])


def test_draft_and_month_closed_along_have_nothing_to_verify(closed_months: httpx.Client) -> None:
    assert closed_months.get(address("2024-07", "verify")).status_code == 404
    assert closed_months.get(address("2024-01", "verify")).status_code == 404
    assert closed_months.get(address("2024-13", "verify")).status_code == 422


@pytest.mark.parametrize(
    "change",
    [
        "billed_cents = 0, cap_cents = gross_cents",
        "action_type = 'Other'",
        "timestamp = timestamp + interval '1 microsecond'",
        "user_key = gen_random_uuid()",
        "cap_used_before_cents = 1",
    ],
)
def test_tampered_line_is_found_and_named(closed_months: httpx.Client, change: str) -> None:
    tamper(
        "billing_report_lines",
        f"update billing_report_lines set {change} where line_number = 3 "
        "and report_id = (select report_id from billing_reports where period = '2024-04-01')",
    )

    answer = verified(closed_months, "2024-04")

    assert answer["verified"] is False
    assert answer["tampered_line_count"] == 1
    (line,) = answer["tampered_lines"]
    assert (line["line_number"], line["lead_id"]) == (3, "l-1")


def test_line_whose_hash_was_made_anew_is_named_by_its_action(closed_months: httpx.Client) -> None:
    tamper(
        "billing_report_lines",
        "update billing_report_lines set billed_cents = 0, cap_cents = gross_cents, "
        "outcome = 'capped' where line_number = 2 "
        "and report_id = (select report_id from billing_reports where period = '2024-05-01')",
    )

    (line,) = verified(closed_months, "2024-05")["tampered_lines"]

    assert line["line_number"] == 2
    assert "was changed" in line["detail"]


def test_lines_whose_hash_was_tampered_with_are_named(closed_months: httpx.Client) -> None:
    tamper(
        "billing_report_line_blocks",
        "update billing_report_line_blocks set block_hash = sha256('') where period = '2024-04-01' "
        "and report_id = (select report_id from billing_reports where period = '2024-04-01')",
    )

    answer = verified(closed_months, "2024-04")

    assert (answer["verified"], answer["tampered_line_count"]) == (False, 12)
    assert "not with its hash" in answer["tampered_lines"][11]["detail"]


def test_deleted_line_is_named_by_its_number(closed_months: httpx.Client) -> None:
    tamper("billing_report_lines", "delete from billing_report_lines where line_number = 11")

    answer = verified(closed_months, "2024-04")

    assert answer["verified"] is False
    missing = [each["line_number"] for each in answer["tampered_lines"] if not each["action_id"]]
    assert missing == [11]


def test_line_that_tells_another_moment_of_what_it_repeats_is_named(
    closed_months: httpx.Client,
) -> None:
    tamper(
        "billing_report_lines",
        "update billing_report_lines set duplicate_of_timestamp = '2024-04-01T00:00:00Z' "
        "where outcome = 'duplicate' and line_number = 2 and period = '2024-04-01'",
    )

    (line,) = verified(closed_months, "2024-04")["tampered_lines"]

    assert line["line_number"] == 2
    assert "rated again" in line["detail"]


def test_lines_that_changed_places_are_named(closed_months: httpx.Client) -> None:
    tamper(
        "billing_report_lines",
        "update billing_report_lines set line_number = 7 - line_number where line_number in (3, 4) "
        "and report_id = (select report_id from billing_reports where period = '2024-04-01')",
    )

    answer = verified(closed_months, "2024-04")

    assert [line["line_number"] for line in answer["tampered_lines"]] == [3, 4]
    assert "another line" in answer["tampered_lines"][0]["detail"]


def test_added_line_is_named(closed_months: httpx.Client) -> None:
    columns = columns_of("billing_report_lines")
    copied = ", ".join(
        {"line_number": "13", "action_id": "gen_random_uuid()"}.get(name, name) for name in columns
    )
    tamper(
        "billing_report_lines",
        f"insert into billing_report_lines ({', '.join(columns)}) select {copied} "
        "from billing_report_lines where line_number = 11",
    )

    (line,) = verified(closed_months, "2024-04")["tampered_lines"]

    assert (line["line_number"], line["lead_id"]) == (13, "l-1")


def test_tampered_action_is_named(closed_months: httpx.Client) -> None:
    tamper("actions", "update actions set engagement_level = 'Low' where action_type = 'Late'")

    answer = verified(closed_months, "2024-05")

    assert answer["verified"] is False
    assert answer["content_hash"] == answer["hash_of_stored_lines"] != answer["hash_of_actions"]
    (line,) = answer["tampered_lines"]
    assert line["lead_id"] == "l-3"
    assert "rated again" in line["detail"]


@pytest.mark.parametrize(
    "change",
    ["timestamp = timestamp + interval '1 second'", "engagement_level = 'Low'"],
)
def test_line_and_action_that_were_tampered_with_alike_are_named(
    closed_months: httpx.Client, change: str
) -> None:
    tamper("actions", f"update actions set {change} where action_type = 'Late'")
    tamper(
        "billing_report_lines",
        f"update billing_report_lines set {change} where action_type = 'Late'",
    )

    (line,) = verified(closed_months, "2024-05")["tampered_lines"]

    assert line["lead_id"] == "l-3"
    assert "was changed" in line["detail"] or "hash" in line["detail"]


def test_tampered_total_is_named(closed_months: httpx.Client) -> None:
    tamper(
        "billing_reports", "update billing_reports set due_cents = 1 where period = '2024-04-01'"
    )

    answer = verified(closed_months, "2024-04")

    assert answer["verified"] is False
    assert (answer["tampered_fields"], answer["tampered_lines"]) == (["due"], [])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ("customer_name = 'Somebody else'", "customer_name"),
        ("product_names = jsonb_build_object('abc', 'Other')", "product_names"),
        ("issuer = 'Somebody else'", "issuer"),
        ("finalized_at = finalized_at - interval '1 microsecond'", "finalized_at"),
        ("timezone = 'UTC'", "timezone"),
        ("header = jsonb_set(header, array['5'], '1')", "issuer"),
    ],
)
def test_tampered_member_of_the_header_is_named(
    closed_months: httpx.Client, change: str, field: str
) -> None:
    tamper("billing_reports", f"update billing_reports set {change} where period = '2024-04-01'")

    answer = verified(closed_months, "2024-04")

    assert answer["verified"] is False
    assert (answer["tampered_fields"], answer["tampered_lines"]) == ([field], [])
    assert field in answer["detail"]


def test_tampered_breakdown_is_named(closed_months: httpx.Client) -> None:
    tamper(
        "billing_report_lead_totals",
        "update billing_report_lead_totals set billed_cents = array[1::bigint] "
        "where report_id = (select report_id from billing_reports where period = '2024-04-01')",
    )

    answer = verified(closed_months, "2024-04")

    assert answer["verified"] is False
    assert (answer["tampered_fields"], answer["tampered_lines"]) == (["breakdown"], [])


def test_report_made_anew_breaks_the_chain(closed_months: httpx.Client) -> None:
    tamper(
        "billing_reports",
        "update billing_reports set content_hash = repeat('0', 64) where period = '2024-04-01'",
    )

    answer = verified(closed_months, "2024-05")

    assert answer["verified"] is False
    assert "report before it" in answer["detail"]


def test_tampered_credit_is_named(closed_months: httpx.Client) -> None:
    tamper(
        "billing_report_credits",
        "update billing_report_credits set credit_hash = sha256('') where credit_number = 2",
    )

    answer = verified(closed_months, "2024-05")

    assert (answer["verified"], answer["tampered_credits"]) == (False, [2])
    assert (answer["tampered_lines"], answer["tampered_fields"]) == ([], [])
    assert "credits differ: 2" in answer["detail"]
    assert verified(closed_months, "2024-04")["verified"] is True


def test_credit_of_a_line_that_was_tampered_with_is_named(closed_months: httpx.Client) -> None:
    tamper(
        "billing_report_lines",
        "update billing_report_lines set billed_cents = 1, cap_cents = gross_cents - 1, "
        "outcome = 'partially_capped' where line_number = 5 "
        "and report_id = (select report_id from billing_reports where period = '2024-04-01')",
    )

    assert verified(closed_months, "2024-05")["tampered_credits"] == [1]


def test_credit_whose_dispute_was_tampered_with_is_named(closed_months: httpx.Client) -> None:
    tamper("disputes", "update disputes set reason = 'spam'")

    assert verified(closed_months, "2024-05")["tampered_credits"] == [1, 2]


def test_deleted_credit_is_noticed(closed_months: httpx.Client) -> None:
    tamper("billing_report_credits", "delete from billing_report_credits where credit_number = 1")

    answer = verified(closed_months, "2024-05")

    assert (answer["verified"], answer["tampered_fields"]) == (False, ["credits", "due"])


def test_hash_covers_no_note_of_a_dispute(closed_months: httpx.Client) -> None:
    tamper("disputes", "update disputes set note = 'erased', decision_note = 'erased'")

    assert verified(closed_months, "2024-05")["verified"] is True


def test_report_of_several_blocks_is_read_and_verified_across_them(
    api: httpx.Client, tmp_path: Path
) -> None:
    register(api, customers={NAME: "UTC"}, products="abc")
    many = [action(f"Kind {number}", "2024-04-03T12:00:00Z", "Low") for number in range(600)]
    post(api, lead("l-1", *many, customer_id=NAME, user=USER)).raise_for_status()
    close(api, "2024-04")
    late = [action(f"Late {number}", "2024-04-02T12:00:00Z", "Low") for number in range(300)]
    post(api, lead("l-2", *late, customer_id=NAME, user=USER)).raise_for_status()
    close(api, "2024-05")

    pages: list[list[Any]] = []
    cursor = None
    while cursor is not None or not pages:
        parameters = {"limit": "240"} | ({"cursor": cursor} if cursor else {})
        page = api.get(address("2024-04"), params=parameters).json()
        pages.append(page["lines"])
        cursor = page["next_cursor"]
    whole = api.get(address("2024-04"), params={"limit": 10_000}).json()
    assert [len(page) for page in pages] == [240, 240, 120]
    assert [line for page in pages for line in page] == whole["lines"]
    files = [tmp_path / "april.json", tmp_path / "may.json"]
    for file, period in zip(files, ("2024-04", "2024-05"), strict=True):
        assert verified(api, period)["verified"] is True
        file.write_bytes(api.get(address(period), params={"limit": 10_000}).content)
    assert "chain of 2" in run_offline(*files).stdout

    tamper(
        "billing_report_lines",
        "update billing_report_lines set user_key = gen_random_uuid() where line_number = 251 "
        "and report_id = (select report_id from billing_reports where period = '2024-04-01')",
    )
    assert [line["line_number"] for line in verified(api, "2024-04")["tampered_lines"]] == [251]


@pytest.mark.parametrize(
    ("table", "change", "name"),
    [
        ("leads", "update leads set external_id = 'l-9' where external_id = 'l-1'", "l-9"),
        ("products", "update products set external_id = 'x' where external_id = 'abc'", "x"),
    ],
)
def test_lead_or_product_with_another_name_is_found_and_named(
    closed_months: httpx.Client, table: str, change: str, name: str
) -> None:
    tamper(table, change)

    answer = verified(closed_months, "2024-04")

    assert (answer["verified"], answer["tampered_names"]) == (False, [name])


def downloaded(client: httpx.Client, folder: Path) -> list[Path]:
    files = []
    for period in ("2024-04", "2024-05", "2024-06"):
        files.append(folder / f"{period}.json")
        files[-1].write_bytes(client.get(address(period), params={"limit": 10_000}).content)
    return files


def run_offline(*files: Path) -> subprocess.CompletedProcess[str]:
    script = PROJECT / "scripts" / "verify_report.py"
    # -S: nothing but the standard library
    command = [sys.executable, "-I", "-S", str(script), *map(str, files)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_downloaded_reports_and_their_chain_are_verified_offline(
    closed_months: httpx.Client, tmp_path: Path
) -> None:
    ended = run_offline(*reversed(downloaded(closed_months, tmp_path)))

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.count("verified") == 3
    assert "chain of 3" in ended.stdout


@pytest.mark.parametrize(
    ("change", "told"),
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
        (lambda report: report.update(next_cursor="MQ"), "limit=10000"),
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
    closed_months: httpx.Client, tmp_path: Path, change: Any, told: str
) -> None:
    file = downloaded(closed_months, tmp_path)[0]
    document = json.loads(file.read_bytes())
    change(document)
    file.write_text(json.dumps(document))

    ended = run_offline(file)

    assert ended.returncode == 1
    assert told in ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda credits: credits["lines"].pop(), "credits do not add up"),
        (lambda credits: credits["lines"][0].update(reason="spam"), "hash"),
        (lambda credits: credits["lines"][0].update(line_number=1), "hash"),
        (lambda credits: credits["lines"].reverse(), "hash"),
        (lambda credits: credits.update(total="0.00", lines=[]), "less credits"),
    ],
)
def test_changed_credit_of_a_download_is_refused_offline(
    closed_months: httpx.Client, tmp_path: Path, change: Any, told: str
) -> None:
    file = downloaded(closed_months, tmp_path)[1]
    document = json.loads(file.read_bytes())
    change(document["credits"])
    file.write_text(json.dumps(document))

    ended = run_offline(file)

    assert ended.returncode == 1
    assert told in ended.stderr


def test_action_types_of_any_script_are_verified_offline(api: httpx.Client, tmp_path: Path) -> None:
    register(api, customers={NAME: "UTC"}, products="abc")
    spelled = ["  Stra\u00dfe\u2003 Zwei ", "\u0130stanbul", "\u03a3\u0391\u03a3", "e\u0301",
               "\u01f0", "\U0001f600 Like", "\u3000\u6771\u4eac\u3000", "\ufb01nd"]  # fmt: skip
    actions = [action(each, "2024-04-03T09:00:00.000001+05:30") for each in spelled]
    lead_id = "5D3C7A10-0000-4000-8000-00000000000A"
    post(api, lead(lead_id, *actions, *actions, customer_id=NAME)).raise_for_status()
    close(api, "2024-04")
    file = tmp_path / "april.json"
    file.write_bytes(api.get(address("2024-04"), params={"limit": 10_000}).content)

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


def test_file_that_is_no_report_is_refused_offline(tmp_path: Path) -> None:
    file = tmp_path / "other.json"
    for content in ("[]", "{}", "nonsense", '{"status": "final"}'):
        file.write_text(content)

        ended = run_offline(file)

        assert ended.returncode == 1
        assert "Traceback" not in ended.stderr
