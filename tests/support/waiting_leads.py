"""SQS in tests (moto's, since it is outside the system), and what Lambda does between it and us."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from moto import mock_aws

from common.settings import settings
from functions.ingest import storage
from functions.ingest.queue_worker import handler
from functions.ingest.spill_queue import _client
from scripts.gateway import LambdaContext

_ONE_BY_ONE = 10  # the most that SQS hands out at once


@dataclass(frozen=True)
class Queue:
    """The queue that the settings name, with its dead letters."""

    url: str
    dead_letters_url: str

    def receive(self, url: str | None = None) -> list[dict[str, Any]]:
        answer = boto3.client("sqs").receive_message(
            QueueUrl=url or self.url,
            MaxNumberOfMessages=_ONE_BY_ONE,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        )
        return [dict(message) for message in answer.get("Messages", [])]

    def bodies(self) -> list[str]:
        """Every message; they are gone then."""
        found = []
        while received := self.receive():
            for message in received:
                found.append(message["Body"])
                self.delete(message)
        return found

    def delete(self, message: dict[str, Any]) -> None:
        boto3.client("sqs").delete_message(
            QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"]
        )

    def send(self, body: str) -> None:
        boto3.client("sqs").send_message(QueueUrl=self.url, MessageBody=body)

    def depth(self, url: str | None = None) -> dict[str, int]:
        """How many messages can be seen, are in somebody's hands, and will be seen later."""
        counts = ("Messages", "MessagesNotVisible", "MessagesDelayed")
        names = [f"ApproximateNumberOf{count}" for count in counts]
        answer = boto3.client("sqs").get_queue_attributes(
            QueueUrl=url or self.url,
            AttributeNames=names,  # type: ignore[arg-type]
        )
        return {
            name.removeprefix("ApproximateNumberOf"): int(answer["Attributes"][name])  # type: ignore[index]
            for name in names
        }

    def drain(self) -> tuple[int, int]:
        """Hands out what is there once, as the event source mapping does.

        How many messages were done with, and how many failed and stay.
        """
        done = failed = 0
        while received := self.receive():
            answer = invoke(received)
            names = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
            for message in received:
                if message["MessageId"] in names:
                    failed += 1
                else:
                    done += 1
                    self.delete(message)
        return done, failed


def invoke(received: list[dict[str, Any]], **context: Any) -> Any:
    """What the queue's function answers to these messages."""
    records = [
        {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message.get("Attributes", {}),
            "messageAttributes": {
                name: {"stringValue": value["StringValue"], "dataType": value["DataType"]}
                for name, value in message.get("MessageAttributes", {}).items()
            },
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:leads",
            "awsRegion": "us-east-1",
        }
        for message in received
    ]
    return handler({"Records": records}, LambdaContext("aws-1", **context))


@contextmanager
def a_queue(patch: pytest.MonkeyPatch, most_receives: int = 3) -> Iterator[Queue]:
    """A queue like the deployed one, but a message that failed can be seen again at once."""
    with mock_aws():
        client = boto3.client("sqs")
        dead_letters_url = client.create_queue(QueueName="leads-dead-letters")["QueueUrl"]
        redrive = {
            "deadLetterTargetArn": "arn:aws:sqs:us-east-1:123456789012:leads-dead-letters",
            "maxReceiveCount": most_receives,
        }
        url = client.create_queue(
            QueueName="leads",
            Attributes={"RedrivePolicy": json.dumps(redrive), "VisibilityTimeout": "1"},
        )["QueueUrl"]
        patch.setenv("QUEUE_URL", url)
        settings.cache_clear()
        patch.setattr(storage, "_away_until", 0.0)
        _client.cache_clear()
        try:
            yield Queue(url, dead_letters_url)
        finally:
            _client.cache_clear()
            settings.cache_clear()
