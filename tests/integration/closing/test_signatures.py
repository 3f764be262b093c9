"""Signed reports and signed heads: made by closing, kept in a second place, proved over the API."""

import json
import zipfile
from pathlib import Path

import httpx
import pytest

from common.database.transactions import transaction
from common.proof.merkle import includes, is_consistent, leaf_hash
from common.proof.rotation import rotate_key_file
from common.proof.sealing import HistoryRewritten, seal
from common.proof.signing import KeyFile, canonical, key_id_of, make_key_file, report_statement
from common.settings import settings
from tests.support.cheating import findings
from tests.support.closing import closed
from tests.support.exports import exported
from tests.support.verification import run_offline

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


def test_rotated_key_signs_what_follows_and_the_old_one_stays_verifiable(
    signing: Path, april_and_may: httpx.Client
) -> None:
    closed(april_and_may, "2024-04")

    old, new = rotate_key_file(settings(), signing / "key.pem")
    closed(april_and_may, "2024-05")

    keys = april_and_may.get("/.well-known/jwks.json").json()["keys"]
    assert [key["kid"] for key in keys] == [new.key_id, old.key_id]
    files = [signing / "april.json", signing / "may.json"]
    for file, period, key in zip(files, ("2024-04", "2024-05"), (old, new), strict=True):
        file.write_bytes(april_and_may.get(f"/billing/reports/acme/{period}").content)
        assert key_id_of(json.loads(file.read_bytes())["signature"]) == key.key_id
        assert april_and_may.get(f"/billing/reports/acme/{period}/verify").json()["verified"]
    newest = april_and_may.get("/billing/heads").json()["data"][0]
    assert (key_id_of(newest["signature"]), newest["reports"]) == (new.key_id, 2)
    (entry,) = april_and_may.get("/audit", params={"subject": "signing_key"}).json()["data"]
    assert (entry["before"]["key_id"], entry["after"]["key_id"]) == (old.key_id, new.key_id)
    with transaction() as session:
        assert list(findings(session)) == []

    both, new_alone = (
        run_offline(*files, *(each for key in known for each in ("--key", json.dumps(key))))
        for known in (keys, keys[:1])
    )
    assert (both.returncode, both.stderr) == (0, "")
    assert new_alone.returncode == 1
    assert f"april.json: it is signed with the key {old.key_id}" in new_alone.stderr


def test_head_that_was_not_kept_before_the_key_was_rotated_is_kept_after(
    signing: Path, april_and_may: httpx.Client
) -> None:
    """The second place was away when the last head of the old key was made."""
    closed(april_and_may, "2024-04")
    closed(april_and_may, "2024-05")
    last = sorted((signing / "heads" / "heads").iterdir())[-1]
    last.unlink()
    (signing / "key.pem").unlink()
    make_key_file(signing / "key.pem")
    april_and_may.put("/products/later", json={"name": "Later"}).raise_for_status()

    assert seal(settings())
    assert last.exists()


def test_head_of_a_key_that_was_never_kept_is_not_gone_on_with(
    signing: Path, april_and_may: httpx.Client
) -> None:
    closed(april_and_may, "2024-04")
    closed(april_and_may, "2024-05")
    sorted((signing / "heads" / "heads").iterdir())[-1].unlink()
    for file in (signing / "heads" / "keys").iterdir():
        file.unlink()
    (signing / "key.pem").unlink()
    make_key_file(signing / "key.pem")

    with pytest.raises(HistoryRewritten, match="not signed with our key"):
        seal(settings())


def test_exported_package_is_verified_against_an_earlier_head_and_its_key(
    signing: Path,
    april_and_may: httpx.Client,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FILE_STORE_DIR", str(tmp_path / "files"))
    settings.cache_clear()
    closed(april_and_may, "2024-04")
    head, keys, april, may = (
        tmp_path / name for name in ("head.json", "keys.json", "april.zip", "may.zip")
    )
    head.write_bytes(april_and_may.get("/billing/heads/2024-04").content)
    keys.write_bytes(april_and_may.get("/.well-known/jwks.json").content)
    closed(april_and_may, "2024-05")
    for package, period in ((april, "2024-04"), (may, "2024-05")):
        package.write_bytes(exported(april_and_may, "verification", None, period=period))

    ended = run_offline(april, may, "--head", head, "--key", keys)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "chain of 2" in ended.stdout
    assert "head 1 holds it" in ended.stdout
    assert "was closed after head 1" in ended.stdout
    shorter = tmp_path / "shorter.zip"
    with zipfile.ZipFile(april) as files, zipfile.ZipFile(shorter, "w") as kept:
        assert "heads/keys.json" in files.namelist()
        for name in files.namelist():
            if not name.startswith("heads/from-"):
                kept.writestr(name, files.read(name))
    assert "consistency?from=1&to=2" in run_offline(shorter, "--head", head).stderr
