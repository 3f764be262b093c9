"""Who can cheat in which way, and what shows it: the table of docs/verification.md."""

import json
import shutil
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from common.database.transactions import transaction
from common.proof.sealing import seal_quietly
from common.proof.signing import make_key_file
from common.settings import settings
from tests.support.api import action, lead, post
from tests.support.cheating import after, findings, without_ids
from tests.support.tampering_page import compare_or_write
from tests.support.verification import NAME, run_offline

_OWNER = "whoever may write to the database"
_REPORT = "(select report_id from billing_reports order by finalized_at desc limit 1)"
_APRIL = f"report_id = {_REPORT}"
_BETA = "/billing/reports/beta/2024-04"
# Closes the last report anew with another name in it, and hashes it as closing does.
_CLOSED_ANEW = (
    f"update billing_reports set customer_name = 'Other', "
    f"header = jsonb_set(header, '{{2}}', '\"Other\"') where {_APRIL}",
    f"""
    update billing_reports set content_hash = report_hash(
        header,
        (
            select string_agg(block_hash, ''::bytea order by first_line)
            from billing_report_line_blocks as block where block.{_APRIL}
        ),
        ''
    )
    where {_APRIL}
    """,
)
_SEALS = ("report_seals", "audit_seals", "merkle_nodes", "signed_heads")

# Order, what is done, and the changes.
CHEATS = {
    "01": (
        "edits what a line billed",
        "update billing_report_line_blocks set billed_cents = array_fill(0, "
        f"array[cardinality(billed_cents)]) where {_APRIL}",
    ),
    "02": (
        "edits an action behind a line",
        "update actions set action_type = 'Other' where action_type = 'Late'",
    ),
    "03": (
        "deletes an action behind a line",
        "delete from actions where action_type = 'Late'",
    ),
    "04": (
        "edits a price of the rate card of a report",
        "update rate_card_rates set amount_cents = 1 where lead_type is null",
    ),
    "05": ("edits a report, and hashes it as closing does", *_CLOSED_ANEW),
    "06": (
        "deletes the newest report of a customer",
        f"delete from billing_reports where {_APRIL}",
    ),
    "07": (
        "deletes it with all that names it",
        *(
            f"delete from {table} where {_APRIL}"
            for table in (
                "report_seals",
                "billing_report_lead_totals",
                "billing_report_line_blocks",
                "billing_reports",
            )
        ),
        "update customers set closed_through = null where external_id = 'beta'",
    ),
    "08": (
        "deletes all signatures, heads and trees",
        *(f"delete from {table}" for table in _SEALS),
    ),
    "09": ("edits an audit entry", "update audit_log set actor = 'somebody' where entry_id = 3"),
    "10": ("deletes an audit entry", "delete from audit_log where entry_id = 3"),
    "11": (
        "accepts a dispute by hand",
        "update disputes set status = 'accepted', decided_by = 'x', decided_at = now() "
        "where status = 'open'",
    ),
    "12": ("takes an action off the list of late ones", "delete from late_actions"),
    "13": ("edits the counts of a billing run", "update billing_runs set closed = closed + 1"),
    "14": (
        "edits the last number of an issuer",
        "update statement_numbers set last_number = last_number + 1",
    ),
    "15": (
        "adds a key of their own to `jwks.json`",
        "insert into signing_keys (key_id, algorithm, public_key) "
        "values ('x', 'Ed25519', sha256('x'))",
    ),
    "16": (
        "edits the name that a customer has now",
        "update customers set name = 'Other'",
    ),
    "17": (
        "adds an audit entry, or edits one before the next head",
        "insert into audit_log (action, subject, subject_id) values ('x', 'x', 'x')",
    ),
    "18": (
        "edits an action of an open month",
        "update actions set action_type = 'Other' where action_type = 'Next month'",
    ),
}
# What a final report does not stand on.
PASSES = {
    "16": "nothing: a final report keeps its own",
    "17": "nothing: the head says what the log was when it was made",
    "18": "nothing: only closing holds it. The sender has it too",
}


@pytest.mark.parametrize("order", CHEATS)
def test_cheat_is_named(sealed_months: httpx.Client, order: str) -> None:
    does, *changes = CHEATS[order]
    open_month = lead("l-9", action("Next month", "2024-07-01T09:00:00Z"), customer_id=NAME)
    post(sealed_months, open_month).raise_for_status()

    found = after(*changes)

    assert found is not None
    assert bool(found) == (order not in PASSES)
    shown = f"`make verify-all`: {without_ids(found)}" if found else PASSES[order]
    compare_or_write("cheats", order, _OWNER, does, shown)


def test_head_taken_away_from_the_second_place_is_named(
    sealed_months: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = settings().heads_dir
    assert folder is not None
    copied = tmp_path / "heads"
    shutil.copytree(folder, copied)
    monkeypatch.setenv("HEADS_DIR", str(copied))
    settings.cache_clear()
    sorted((copied / "heads").iterdir())[-1].unlink()

    found = after("select 1")

    assert found
    compare_or_write(
        "cheats",
        "20",
        "whoever may write to the second place",
        "deletes a head there",
        f"`make verify-all`: {found}",
    )


@pytest.mark.parametrize("has_key", [False, True])
def test_history_made_anew_everywhere_is_named_by_what_a_partner_kept(
    sealed_months: httpx.Client,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    has_key: bool,
) -> None:
    kept, keys, now = (tmp_path / name for name in ("proof.json", "keys.json", "now.json"))
    kept.write_bytes(sealed_months.get(f"{_BETA}/inclusion").content)
    keys.write_bytes(sealed_months.get("/.well-known/jwks.json").content)
    noted = json.loads(kept.read_bytes())["content_hash"]
    with transaction() as session:
        session.execute(text("set local session_replication_role = replica"))
        for change in (*_CLOSED_ANEW, *(f"delete from {table}" for table in _SEALS)):
            session.execute(text(change))
        if not has_key:
            session.execute(text("delete from signing_keys"))
    monkeypatch.setenv("HEADS_DIR", str(tmp_path / "heads"))
    if not has_key:
        make_key_file(tmp_path / "key.pem")
        monkeypatch.setenv("SIGNING_KEY_FILE", str(tmp_path / "key.pem"))
    settings.cache_clear()
    seal_quietly()
    now.write_bytes(sealed_months.get(_BETA).raise_for_status().content)
    with transaction() as session:
        assert list(findings(session)) == []

    by_key, by_proof, by_hash = (
        run_offline(now, *known)
        for known in (("--key", keys), ("--head", kept), ("--expect", noted))
    )

    assert by_key.returncode == (0 if has_key else 1)
    assert (by_proof.returncode, by_hash.returncode) == (1, 1)
    assert "was replaced since" in by_proof.stderr
    assert "was replaced since" in by_hash.stderr
    compare_or_write(
        "cheats",
        "22" if has_key else "21",
        "whoever may write to both and has the signing key"
        if has_key
        else "whoever may write to both",
        "makes reports, heads and trees anew",
        "`verify_report.py`, with the proof or hash that a partner kept"
        + ("" if has_key else ", or with the first key"),
    )
