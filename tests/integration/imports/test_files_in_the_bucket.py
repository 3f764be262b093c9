"""Files in a bucket of S3 (moto's): uploaded under a signed address, or dropped into the inbox."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import boto3
import httpx
import pytest
import requests
from moto import mock_aws

from common.database import engine
from common.database.engine import in_role
from common.database.grants import FUNCTION
from common.file_store import store
from common.imports import uploads
from common.problems import DatabaseUnavailable
from common.settings import settings
from functions.imports import handler as function
from scripts.gateway import LambdaContext
from tests.support.imports import DATA, generic_csv, generic_row
from tests.support.uploads import CONTENT, ask, state_of, work, work_all

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "files-of-tests"


@dataclass(frozen=True)
class World:
    """A bucket, and the queue that is told of its files."""

    s3: "S3Client"
    queue_url: str

    def drop(self, key: str, content: bytes) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=content)

    def keys(self) -> list[str]:
        found = self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return [each["Key"] for each in found]

    def messages(self) -> list[dict[str, Any]]:
        received = boto3.client("sqs").receive_message(
            QueueUrl=self.queue_url, MaxNumberOfMessages=10
        )
        return [as_s3_says_it(dict(message)) for message in received.get("Messages", [])]

    def tell(self, messages: list[dict[str, Any]] | None = None) -> Any:
        """Lets the function hear of what happened, as Lambda does."""
        records = [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": {},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
            }
            for message in (self.messages() if messages is None else messages)
        ]
        with in_role(FUNCTION):
            context = LambdaContext(aws_request_id="aws-1")
            return function.handler({"Records": records}, context)


def as_s3_says_it(message: dict[str, Any]) -> dict[str, Any]:
    """With the `sequencer`, which moto leaves out."""
    told = json.loads(message["Body"])
    for record in told.get("Records", []):
        record["s3"]["object"]["sequencer"] = message["MessageId"]
    return message | {"Body": json.dumps(told)}


@pytest.fixture
def world(
    acme: httpx.Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[World]:
    monkeypatch.setenv("FILE_STORE_BUCKET", BUCKET)
    settings.cache_clear()
    with mock_aws():
        store._client.cache_clear()
        s3, sqs = boto3.client("s3"), boto3.client("sqs")
        s3.create_bucket(Bucket=BUCKET)
        queue_url = sqs.create_queue(QueueName="imports")["QueueUrl"]
        asked = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
        s3.put_bucket_notification_configuration(
            Bucket=BUCKET,
            NotificationConfiguration={
                "QueueConfigurations": [
                    {
                        "QueueArn": asked["Attributes"]["QueueArn"],
                        "Events": ["s3:ObjectCreated:*"],
                        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": prefix}]}},
                    }
                    for prefix in (uploads.UPLOADS, uploads.INBOX)
                ]
            },
        )
        made = World(s3, queue_url)
        assert made.tell() == {"batchItemFailures": []}  # S3 tries the queue
        yield made
    store._client.cache_clear()


def imports_of(client: httpx.Client) -> list[dict[str, Any]]:
    with engine.current_engine().connect() as connection:
        rows = connection.exec_driver_sql("select import_id from imports order by created_at")
        return [state_of(client, str(row.import_id)) for row in rows]


def test_signed_address_takes_the_announced_file_alone(acme: httpx.Client, world: World) -> None:
    awaiting = ask(acme)
    upload = awaiting["upload"]

    signed = urlsplit(upload["address"])
    names = dict(parse_qsl(signed.query))["X-Amz-SignedHeaders"].split(";")
    assert names == ["content-length", "host", "if-none-match"]
    assert "X-Amz-Expires=900" in signed.query
    own = acme.put(f"/imports/{awaiting['import_id']}/file", params={"token": "x"}, content=b"x")
    assert own.status_code == 404

    sent = requests.put(upload["address"], CONTENT, headers=upload["headers"], timeout=9)
    again = requests.put(upload["address"], CONTENT, headers=upload["headers"], timeout=9)

    assert (sent.status_code, again.status_code) == (200, 412)
    assert world.keys() == [f"uploads/{awaiting['import_id']}"]


def test_uploaded_file_is_noted_by_the_function_and_imported_by_the_worker(
    acme: httpx.Client, world: World
) -> None:
    awaiting = ask(acme, file_name="april.csv")
    requests.put(
        awaiting["upload"]["address"], CONTENT, headers=awaiting["upload"]["headers"], timeout=9
    ).raise_for_status()
    assert not work()

    told = world.tell()

    assert told == {"batchItemFailures": []}
    assert state_of(acme, awaiting["import_id"])["status"] == "unfinished"
    work_all()
    done = state_of(acme, awaiting["import_id"])
    assert (done["status"], done["rows_done"], done["refused"]) == ("finished", 2, 1)
    assert world.keys() == []


def test_dropped_files_are_read_by_the_mapping_of_their_folder(
    acme: httpx.Client, world: World
) -> None:
    constants = {"customer_id": "acme", "product_id": "abc"}
    mapping = {"preset": "meta_lead_ads", "time_zone": "UTC", "constants": constants}
    acme.put("/mappings/forms", json=mapping).raise_for_status()
    world.drop("inbox/plain.csv", generic_csv(generic_row("plain")))
    world.drop("inbox/forms/leads of April+May.csv", (DATA / "fb_lead_ads.csv").read_bytes())

    world.tell()
    work_all()

    plain, forms = sorted(imports_of(acme), key=lambda each: each["rows"])
    assert (plain["file_name"], plain["counts"]["created"]) == ("plain.csv", 1)
    assert (forms["file_name"], forms["counts"]["created"]) == ("leads of April+May.csv", 3)
    assert world.keys() == []


def test_dropped_file_that_cannot_be_read_stays_with_the_reason(
    acme: httpx.Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MAX_FILE_BYTES", 100)
    world.drop("inbox/nobodys/a.csv", b"x")
    world.drop("inbox/a/b/c.csv", b"x")
    world.drop("inbox/large.csv", b"x" * 101)
    world.drop("inbox/workbook.xlsx", b"PK\x03\x04\0\0\0")
    world.drop("inbox/folder/", b"")

    world.tell()
    work_all()

    errors = sorted(each["error"] for each in imports_of(acme))
    begun = ["a file may have", "files stand in", "no mapping is stored", "the file is a workbook"]
    assert [error[: len(begin)] for error, begin in zip(errors, begun, strict=True)] == begun
    assert len(world.keys()) == 5


def test_event_that_comes_twice_is_one_import(acme: httpx.Client, world: World) -> None:
    world.drop("inbox/a.csv", generic_csv(generic_row()))
    messages = world.messages()

    world.tell(messages)
    work_all()
    world.tell(messages)

    assert not work()
    assert len(imports_of(acme)) == 1
    world.drop("inbox/a.csv", generic_csv(generic_row("another")))
    world.tell()
    work_all()
    assert [each["counts"]["created"] for each in imports_of(acme)] == [1, 1]


def test_message_is_delivered_again_while_the_database_is_away(
    acme: httpx.Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.drop("inbox/a.csv", generic_csv(generic_row()))
    messages = world.messages()

    def away(*_arguments: Any) -> None:
        raise DatabaseUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(function, "note_object", away)
        told = world.tell(messages)

    assert told == {"batchItemFailures": [{"itemIdentifier": messages[0]["MessageId"]}]}
    world.tell(messages)
    assert work()


def test_message_by_which_s3_tries_the_queue_is_no_file(acme: httpx.Client, world: World) -> None:
    body = json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": BUCKET})
    message = {"MessageId": "1", "ReceiptHandle": "1", "Body": body}

    assert world.tell([message]) == {"batchItemFailures": []}
    assert imports_of(acme) == []
    lost = message | {"Body": json.dumps({"Event": "s3:ObjectCreated:Put"})}
    assert world.tell([lost]) == {"batchItemFailures": [{"itemIdentifier": "1"}]}


def test_file_that_left_the_bucket_is_refused_with_the_reason(
    acme: httpx.Client, world: World
) -> None:
    world.drop("inbox/a.csv", generic_csv(generic_row()))
    world.tell()
    world.s3.delete_object(Bucket=BUCKET, Key="inbox/a.csv")

    work_all()

    (told,) = imports_of(acme)
    assert (told["status"], told["error"]) == ("refused", "the file is not in the bucket any more")
