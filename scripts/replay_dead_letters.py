"""Move the dead letters back to the queue after their cause is fixed (`make replay-dlq`).

Invariant: a message leaves the dead-letter queue only when the queue has it. A message that is in
both queues for a moment is stored once. Only boto3 is needed, so any virtual environment will do.
"""

import argparse
import sys
from typing import TYPE_CHECKING

import boto3

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_MAX_ENTRIES = 10
_VISIBILITY_SECONDS = 60
# The only attribute that is kept: the queue worker counts from 0 how often it requeues a message.
_KEPT_ATTRIBUTE = "correlation_id"


def replay(client: "SQSClient", dead_letters_url: str, queue_url: str) -> int:
    """Move every message and return their number. Raises botocore's errors."""
    moved = 0
    while True:
        messages = client.receive_message(
            QueueUrl=dead_letters_url,
            MaxNumberOfMessages=_MAX_ENTRIES,
            VisibilityTimeout=_VISIBILITY_SECONDS,
            WaitTimeSeconds=1,
            MessageAttributeNames=[_KEPT_ATTRIBUTE],
        ).get("Messages", [])
        if not messages:
            return moved
        for message in messages:
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
    parser = argparse.ArgumentParser(
        prog="python -m scripts.replay_dead_letters", description=__doc__
    )
    parser.add_argument("dead_letters_url", help="URL of the dead-letter queue")
    parser.add_argument("queue_url", help="URL of the queue that receives the messages")
    args = parser.parse_args()
    # boto3 reads the endpoint of an emulator from AWS_ENDPOINT_URL.
    moved = replay(boto3.client("sqs"), args.dead_letters_url, args.queue_url)
    sys.stdout.write(f"moved {moved} dead letter{'' if moved == 1 else 's'} back to the queue\n")


if __name__ == "__main__":
    main()
