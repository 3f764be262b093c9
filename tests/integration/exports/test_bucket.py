"""Exports in a bucket of S3 (moto's, since it is outside the system)."""

import gzip
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import boto3
import httpx
import pytest
from moto import mock_aws

from common.file_store import store
from common.settings import settings
from tests.support.api import action, lead, post
from tests.support.closing import execute
from tests.support.exports import ask_for, csv_rows, work

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ServerSideEncryptionRuleTypeDef

BY_OUR_KEY: "ServerSideEncryptionRuleTypeDef" = {
    "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "our-key"}
}


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, acme: httpx.Client) -> Iterator["S3Client"]:
    monkeypatch.setenv("FILE_STORE_BUCKET", "files-of-tests")
    settings.cache_clear()
    with mock_aws():
        store._client.cache_clear()
        client = boto3.client("s3")
        client.create_bucket(Bucket="files-of-tests")
        client.put_bucket_encryption(
            Bucket="files-of-tests", ServerSideEncryptionConfiguration={"Rules": [BY_OUR_KEY]}
        )
        yield client
    store._client.cache_clear()


def test_file_is_encrypted_in_the_bucket_and_has_an_address_for_minutes(
    acme: httpx.Client, bucket: "S3Client"
) -> None:
    post(acme, lead("l", action())).raise_for_status()
    export_id = ask_for(acme, "lines", "csv").json()["export_id"]

    assert work()

    kept = bucket.get_object(Bucket="files-of-tests", Key=f"exports/{export_id}")
    assert (kept["ServerSideEncryption"], kept["SSEKMSKeyId"]) == ("aws:kms", "our-key")
    assert kept["ContentEncoding"] == "gzip"
    (row,) = csv_rows(gzip.decompress(kept["Body"].read()))
    assert row["lead_id"] == "l"
    for path in (f"/exports/{export_id}", f"/exports/{export_id}/file"):
        ready = acme.get(path)
        address = urlsplit(ready.headers["location"])
        assert ready.status_code == 303
        assert address.path.endswith(f"/exports/{export_id}")
        assert parse_qs(address.query)["X-Amz-Expires"] == ["300"]


def test_file_leaves_the_bucket_when_its_time_is_over(
    acme: httpx.Client, bucket: "S3Client"
) -> None:
    ask_for(acme, "reports", "xlsx")
    work()
    execute("update exports set expires_at = now() - interval '1 second'")

    assert work()

    assert "Contents" not in bucket.list_objects_v2(Bucket="files-of-tests")
