"""The offline check with a key, a kept head and a noted hash, over files, folders and packages."""

import base64
import json
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from common.proof.signing import PublicKey
from scripts.verify_report import is_signed
from tests.support.properties import examples
from tests.support.verification import address, run_offline

PERIODS = ("2024-04", "2024-05", "2024-06")


@pytest.fixture
def package(sealed_months: httpx.Client, tmp_path: Path) -> Path:
    """A folder as a verification export has it: reports, each with its proof, and the keys."""
    for number, period in enumerate(PERIODS, start=1):
        for name, path in (("0-report", address(period)), ("1-proof", proof_of(period))):
            file = tmp_path / "package" / str(number) / f"{name}.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(sealed_months.get(path).raise_for_status().content)
    keys = sealed_months.get("/.well-known/jwks.json").raise_for_status()
    (tmp_path / "keys.json").write_bytes(keys.content)
    return tmp_path / "package"


def proof_of(period: str, head: int | None = None) -> str:
    return address(period, "inclusion") + (f"?head={head}" if head else "")


def edited(file: Path, **members: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_bytes()) | members))


def key_texts(keys: Path) -> list[str]:
    (jwk,) = json.loads(keys.read_bytes())["keys"]
    raw = base64.urlsafe_b64decode(jwk["x"] + "=")
    return [json.dumps(jwk), jwk["x"], base64.b64encode(raw).decode()]


def test_signed_reports_of_a_folder_are_verified_with_every_form_of_the_key(package: Path) -> None:
    keys = package.parent / "keys.json"

    for key in (str(keys), *key_texts(keys)):
        ended = run_offline(package, "--key", key)

        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout.count("signed with") == 3
        assert "chain of 3" in ended.stdout


def test_without_a_key_it_says_that_no_signature_was_checked(package: Path) -> None:
    ended = run_offline(package)

    assert ended.returncode == 0
    assert "no signature was checked" in ended.stdout


def test_signature_of_another_key_is_refused_for_each_report(package: Path) -> None:
    other = PublicKey(Ed25519PrivateKey.generate().public_key().public_bytes_raw())

    ended = run_offline(package, "--key", json.dumps(other.as_jwk()))

    assert ended.returncode == 1
    assert ended.stderr.count("none of yours") >= 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda signature: None, "it is not signed"),
        (lambda signature: "x" + signature, "cannot be read"),
        (lambda signature: signature[:-4] + "AAAA", "not over what it says"),
        (lambda signature: signature.replace("..", ".e30."), "not over what it says"),
    ],
)
def test_bad_signature_is_refused(package: Path, change: Any, message: str) -> None:
    file = package / "1" / "0-report.json"
    edited(file, signature=change(json.loads(file.read_bytes())["signature"]))

    ended = run_offline(package, "--key", str(package.parent / "keys.json"))

    assert ended.returncode == 1
    assert message in ended.stderr
    assert ended.stdout.count("signed with") == 2  # the other reports are checked all the same


def test_kept_head_holds_the_reports(sealed_months: httpx.Client, package: Path) -> None:
    kept = package.parent / "head.json"
    kept.write_text(json.dumps(sealed_months.get("/billing/heads").json()["data"][0]))
    proof = package / "1" / "1-proof.json"

    for head in (kept, proof):
        ended = run_offline(package, "--head", head, "--key", str(package.parent / "keys.json"))

        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout.count("holds it") == 3


def test_report_that_was_replaced_since_a_kept_proof_is_named(package: Path) -> None:
    kept = package.parent / "proof.json"
    kept.write_bytes((package / "1" / "1-proof.json").read_bytes())
    report = _closed_anew(package / "1" / "0-report.json")
    (package / "1" / "1-proof.json").unlink()

    ended = run_offline(package / "1", "--head", kept)

    assert ended.returncode == 1
    assert "acme/öl, 2024-04 was replaced since" in ended.stderr
    assert report["content_hash"] in ended.stderr


def _closed_anew(file: Path) -> Any:
    """Gives a report another customer name, and the hash that it has with it."""
    from scripts.verify_report import content_hash  # noqa: PLC0415

    report = json.loads(file.read_bytes()) | {"customer_name": "Another"}
    report["content_hash"] = content_hash(report)
    file.write_text(json.dumps(report))
    return report


def test_replaced_report_does_not_fit_its_own_proof(package: Path) -> None:
    head = package.parent / "head.json"
    head.write_text(json.dumps(json.loads((package / "2" / "1-proof.json").read_bytes())["head"]))
    _closed_anew(package / "1" / "0-report.json")

    ended = run_offline(package / "1", "--head", head)

    assert ended.returncode == 1
    assert "was replaced since: head" in ended.stderr


def test_noted_hash_shows_a_replaced_report(package: Path) -> None:
    file = package / "1" / "0-report.json"
    before = package.parent / "before.json"
    before.write_bytes(file.read_bytes())
    noted = json.loads(before.read_bytes())["content_hash"]
    good = [run_offline(package, "--expect", each) for each in (noted, noted.upper(), before)]
    _closed_anew(file)

    by_hash, by_file = (run_offline(package / "1", "--expect", each) for each in (noted, before))
    among_many = run_offline(package, "--expect", noted)

    assert [ended.returncode for ended in good] == [0, 0, 0]
    assert (by_hash.returncode, by_file.returncode, among_many.returncode) == (1, 1, 1)
    for ended in (by_hash, by_file):
        assert f"was replaced since: you noted {noted}" in ended.stderr
    assert "was replaced, or is missing" in among_many.stderr


def test_two_reports_of_one_month_are_refused(package: Path) -> None:
    other = package.parent / "other.json"
    other.write_bytes((package / "1" / "0-report.json").read_bytes())
    _closed_anew(other)

    ended = run_offline(package / "1", other)

    assert ended.returncode == 1
    assert "two reports of one month" in ended.stderr


def test_report_without_a_proof_for_a_kept_head_says_what_to_add(package: Path) -> None:
    head = package.parent / "head.json"
    proof = package / "1" / "1-proof.json"
    head.write_text(json.dumps(json.loads(proof.read_bytes())["head"]))
    proof.unlink()

    ended = run_offline(package, "--head", head)

    assert ended.returncode == 1
    assert "inclusion?head=" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--key", "nonsense"], "no Ed25519 public key"),
        (["--key", '{"kty": "RSA", "n": "AQAB"}'], "no Ed25519 public key"),
        (["--key", base64.b64encode(b"\xff" * 32).decode()], "no point of the curve"),
        (["--head", "missing.json"], "No such file"),
        (["--head", "other.json"], "no signed head"),
        (["--expect", "abc"], "neither 64 hex digits nor a file"),
        (["--expect", "other.json"], "no report"),
        (["--save", "x.json"], "--save takes one --url"),
    ],
)
def test_argument_that_cannot_be_used_ends_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.json").write_text("{}")

    ended = run_offline("other.json", *arguments)

    assert ended.returncode == 2
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


def test_zip_is_read_like_a_folder_and_a_broken_one_is_refused(package: Path) -> None:
    packed = package.parent / "package.zip"
    with zipfile.ZipFile(packed, "w") as writing:
        for file in sorted(package.rglob("*.json")):
            writing.write(file, str(file.relative_to(package)))
    broken = package.parent / "broken.zip"
    content = bytearray(packed.read_bytes())
    content[200:260] = bytes(60)
    broken.write_bytes(content)

    whole, wrong = run_offline(packed), run_offline(broken)

    assert (whole.returncode, whole.stdout.count(": verified: ")) == (0, 3)
    assert wrong.returncode == 1
    assert "Traceback" not in wrong.stderr


def test_fetched_report_is_compared_with_a_kept_head(
    sealed_months: httpx.Client, package: Path, gateway_address: str
) -> None:
    proof = package / "1" / "1-proof.json"
    head = package.parent / "head.json"
    head.write_text(json.dumps(json.loads(proof.read_bytes())["head"]))

    ended = run_offline("--url", f"{gateway_address}{address('2024-05')}", "--head", head)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "holds it" in ended.stdout


@given(st.binary(max_size=200), st.integers(0, 63), st.integers(0, 7))
@examples(25)
def test_own_ed25519_agrees_with_the_library(message: bytes, place: int, bit: int) -> None:
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    key, signature = private.public_key().public_bytes_raw(), private.sign(message)
    other = bytearray(signature)
    other[place] ^= 1 << bit

    assert is_signed(key, message, signature)
    assert not is_signed(key, message + b"x", signature)
    assert not is_signed(key, message, bytes(other))
    assert not is_signed(key, message, signature[:63])
