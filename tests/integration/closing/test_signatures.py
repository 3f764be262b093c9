"""Signed reports and signed heads: made by closing, kept in a second place, proved over the API."""

from pathlib import Path

import httpx
import pytest

from common.proof.merkle import includes, is_consistent, leaf_hash
from common.proof.signing import KeyFile, canonical, make_key_file, report_statement
from common.settings import settings
from tests.support.closing import closed

APRIL = "/billing/reports/acme/2024-04"


@pytest.fixture
def signing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Has this process sign with a new key. Gives the second place."""
    make_key_file(tmp_path / "key.pem")
    monkeypatch.setenv("SIGNING_KEY_FILE", str(tmp_path / "key.pem"))
    monkeypatch.setenv("HEADS_DIR", str(tmp_path / "heads"))
    settings.cache_clear()
    return tmp_path


def test_closed_report_is_signed_and_in_a_head(signing: Path, april_and_may: httpx.Client) -> None:
    closed(april_and_may, "2024-04")

    report = april_and_may.get(APRIL).json()
    key = KeyFile(signing / "key.pem").key
    statement = report_statement(
        report["issuer"], "acme", "2024-04", report["number"], report["content_hash"]
    )
    assert key.verifies(report["signature"], statement)
    assert april_and_may.get("/.well-known/jwks.json").json()["keys"] == [key.as_jwk()]
    head = april_and_may.get("/billing/heads/2024-04").json()
    assert key.verifies(head["signature"], head["statement"].encode())
    assert report["head"] == head["short_form"]
    assert len(list((signing / "heads" / "heads").iterdir())) == 1


def test_head_holds_a_report_and_goes_on_with_an_earlier_one(
    signing: Path, april_and_may: httpx.Client
) -> None:
    closed(april_and_may, "2024-04")
    closed(april_and_may, "2024-05")

    report = april_and_may.get(APRIL).json()
    proof = april_and_may.get(f"{APRIL}/inclusion").json()
    root = bytes.fromhex(proof["head"]["reports_root"])
    leaf = leaf_hash(
        canonical(
            ["lead-billing-leaf/1", "acme", "2024-04", report["content_hash"], proof["facts_hash"]]
        )
    )
    path = [bytes.fromhex(each) for each in proof["path"]]
    assert includes(root, leaf, proof["leaf_index"], proof["head"]["reports"], path)
    assert not includes(root, leaf_hash(b""), proof["leaf_index"], proof["head"]["reports"], path)

    consistency = april_and_may.get("/billing/heads/consistency?from=1").json()
    earlier, later = consistency["earlier"], consistency["later"]
    assert (earlier["head"], later["head"]) == (1, 2)
    assert is_consistent(
        earlier["reports"],
        bytes.fromhex(earlier["reports_root"]),
        later["reports"],
        bytes.fromhex(later["reports_root"]),
        [bytes.fromhex(each) for each in consistency["path"]],
    )


def test_without_a_key_a_report_says_that_it_is_not_signed(april_and_may: httpx.Client) -> None:
    closed(april_and_may, "2024-04")

    report = april_and_may.get(APRIL).json()

    assert (report["signature"], report["head"]) == (None, None)
    assert april_and_may.get("/billing/heads").json()["data"] == []
