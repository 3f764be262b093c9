"""Puts the dead letters back on the queue (`make replay-dlq`), after their reason is gone.

Invariant: a message is taken off the dead letters only when it is on the queue; one that is on
both for a moment is stored once. Needs boto3 alone, so that any virtual environment can run it.
"""

import argparse
import sys
from typing import TYPE_CHECKING

import boto3

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_MAX_ENTRIES = 10
_VISIBILITY_SECONDS = 60
# Of a message's attributes; how often it was put back is counted anew.
_KEPT = "correlation_id"


def replay(client: "SQSClient", dead_letters_url: str, queue_url: str) -> int:
    """Moves every message; how many there were. Raises botocore's errors."""
    moved = 0
    while True:
        received = client.receive_message(
            QueueUrl=dead_letters_url,
            MaxNumberOfMessages=_MAX_ENTRIES,
            VisibilityTimeout=_VISIBILITY_SECONDS,
            WaitTimeSeconds=1,
            MessageAttributeNames=[_KEPT],
        ).get("Messages", [])
        if not received:
            return moved
        for message in received:
            attributes = message.get("MessageAttributes", {})
            client.send_message(
                QueueUrl=queue_url,
                MessageBody=message["Body"],
                MessageAttributes={
                    name: {"DataType": value["DataType"], "StringValue": value["StringValue"]}
                    for name, value in attributes.items()
                },
            )
            client.delete_message(QueueUrl=dead_letters_url, ReceiptHandle=message["ReceiptHandle"])
            moved += 1


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.replay_dead_letters")
    parser.add_argument("dead_letters_url", help="address of the dead-letter queue")
    parser.add_argument("queue_url", help="address of the queue they came from")
    arguments = parser.parse_args()
    # What an emulator's endpoint is, boto3 reads from AWS_ENDPOINT_URL.
    moved = replay(boto3.client("sqs"), arguments.dead_letters_url, arguments.queue_url)
    sys.stdout.write(f"put back {moved} dead letter{'' if moved == 1 else 's'}\n")


if __name__ == "__main__":
    main()
