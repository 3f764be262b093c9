"""Signing where it is deployed: by one task, with a key of KMS and a bucket with Object Lock."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import httpx
import pytest
from botocore.stub import Stubber
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from moto import mock_aws

from common.proof import second_place
from common.proof.second_place import Bucket
from common.proof.signing import KmsKey, make_key_file, sign
from common.settings import settings
from services.reports import seal, verify_all
from tests.support.closing import closed

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

APRIL = "/billing/reports/acme/2024-04"
BUCKET = "heads-of-tests"


@pytest.fixture
def heads(monkeypatch: pytest.MonkeyPatch) -> Iterator["S3Client"]:
    """A bucket that locks each object for a day, as the second place."""
    monkeypatch.setenv("HEADS_BUCKET", BUCKET)
    settings.cache_clear()
    with mock_aws():
        second_place._client.cache_clear()
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)
        client.put_object_lock_configuration(
            Bucket=BUCKET,
            ObjectLockConfiguration={
                "ObjectLockEnabled": "Enabled",
                "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}},
            },
        )
        yield client
    second_place._client.cache_clear()


@pytest.fixture
def key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A key that this process signs with once it has the setting."""
    file = tmp_path / "key.pem"
    make_key_file(file)
    return file


def give(monkeypatch: pytest.MonkeyPatch, key_file: Path) -> None:
    monkeypatch.setenv("SIGNING_KEY_FILE", str(key_file))
    settings.cache_clear()


def test_report_that_was_closed_without_a_key_is_signed_by_the_task_that_has_one(
    heads: "S3Client",
    key_file: Path,
    april_and_may: httpx.Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    closed(april_and_may, "2024-04")
    assert april_and_may.get(APRIL).json()["signature"] is None

    give(monkeypatch, key_file)

    assert seal.main() == 0
    assert april_and_may.get(APRIL).json()["signature"]
    assert verify_all.main() == 0
    kept = heads.get_object(Bucket=BUCKET, Key="heads/0000000001.json")
    assert kept["ObjectLockMode"] == "GOVERNANCE"


def test_head_in_the_bucket_is_written_once(heads: "S3Client") -> None:
    place = Bucket(BUCKET)

    assert place.write_once("heads", "0000000001.json", b"{}")
    assert not place.write_once("heads", "0000000001.json", b'{"another": 1}')
    heads.put_object(Bucket=BUCKET, Key="heads/0000000001.json", Body=b"later")
    assert place.read("heads", "0000000001.json") == b"{}"
    assert place.names("heads") == ["0000000001.json"]


def test_task_fails_where_the_history_was_rewritten(
    heads: "S3Client",
    key_file: Path,
    april_and_may: httpx.Client,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    give(monkeypatch, key_file)
    closed(april_and_may, "2024-04")
    kept = heads.get_object(Bucket=BUCKET, Key="heads/0000000001.json")["Body"].read()
    heads.put_object(Bucket=BUCKET, Key="heads/0000000002.json", Body=kept.replace(b"1", b"2"))

    assert seal.main() == 1
    assert "nothing was signed" in capsys.readouterr().out
    assert verify_all.main() == 1


def test_task_without_a_key_says_so(
    april_and_may: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    assert seal.main() == 1
    assert "there is no key to sign with" in capsys.readouterr().out


def test_kms_is_asked_as_its_own_model_says(monkeypatch: pytest.MonkeyPatch) -> None:
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    client = boto3.client("kms")
    model = client.meta.service_model
    assert "ECC_NIST_EDWARDS25519" in model.shape_for("KeySpec").enum
    algorithms = model.shape_for("SigningAlgorithmSpec").enum
    monkeypatch.setattr(boto3, "client", lambda _service: client)
    with Stubber(client) as kms:
        kms.add_response("get_public_key", {"PublicKey": public}, {"KeyId": "ours"})
        signer = KmsKey("ours")
        protected = base64.urlsafe_b64encode(
            b'{"alg":"Ed25519","kid":"%s"}' % signer.key.key_id.encode()
        ).rstrip(b"=")
        message = protected + b"." + base64.urlsafe_b64encode(b"a statement").rstrip(b"=")
        asked = {
            "KeyId": "ours",
            "Message": message,
            "MessageType": "RAW",
            "SigningAlgorithm": "ED25519_SHA_512",
        }
        kms.add_response("sign", {"Signature": private.sign(message)}, asked)

        signature = sign(signer, b"a statement")

    assert "ED25519_SHA_512" in algorithms
    assert signer.key.verifies(signature, b"a statement")
