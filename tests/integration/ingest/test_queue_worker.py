"""The queue worker: queued leads are stored once, and dead letters can be replayed."""

import io
import json
import time

import boto3
import pytest
from sqlalchemy import Engine, text

from functions.ingest import spill_queue
from functions.ingest.handler import handler
from functions.ingest.queue_worker import logger
from scripts.gateway import LambdaContext
from scripts.replay_dead_letters import replay
from tests.support.api import Wire, action, lead
from tests.support.failing_database import fails, post, raising, stored, works_again
from tests.support.function import EMAIL, event, printed
from tests.support.waiting_leads import Queue, invoke

# --- the queue's function


def queued(room: Queue, *leads: Wire) -> None:
    room.send(json.dumps(list(leads)))


def test_message_handed_out_twice_is_stored_once(ready: Engine, queue: Queue) -> None:
    queued(queue, lead("l1", action(), action()))
    received = queue.receive()

    answers = [invoke(received), invoke(received), invoke(received * 2)]

    assert all(answer == {"batchItemFailures": []} for answer in answers)
    assert stored(ready) == {"l1": 2}


def test_lead_of_an_unknown_customer_is_quarantined(ready: Engine, queue: Queue) -> None:
    queued(queue, lead("l1", action(), customer_id="stranger"))

    assert queue.drain() == (1, 0)
    with ready.connect() as connection:
        assert connection.scalar(text("select count(*) from quarantined_leads")) == 1


def test_bad_message_fails_alone_and_ends_among_the_dead_letters(
    ready: Engine, queue: Queue
) -> None:
    queue.send("not ours")
    queued(queue, lead("l1", action()))

    outcomes = []
    while not queue.depth(queue.dead_letters_url)["Messages"]:
        time.sleep(1.1)
        outcomes.append(queue.drain())

    assert outcomes == [(1, 1), (0, 1), (0, 1), (0, 0)]
    assert stored(ready) == {"l1": 1}
    assert queue.depth(queue.dead_letters_url)["Messages"] == 1


@pytest.mark.parametrize(
    "refused", [lead("l2", action(), lead_type="Palm Reading"), lead("known", product_id="other")]
)
def test_refused_lead_fails_its_message_but_not_the_leads_beside_it(
    ready: Engine, queue: Queue, refused: Wire
) -> None:
    post(lead("known"))
    queued(queue, lead("l1", action()), refused, lead("l3", action()))

    answer = invoke(queue.receive())

    assert len(answer["batchItemFailures"]) == 1
    assert stored(ready) == {"known": 0, "l1": 1, "l3": 1}


def test_lead_the_database_refuses_does_not_take_others_with_it(
    ready: Engine, queue: Queue
) -> None:
    fails(ready, raising("23514"), where="new.external_id = 'poison'")
    queued(queue, lead("l1", action()), lead("poison", action()), lead("l3", action()))

    answer = invoke(queue.receive())

    assert len(answer["batchItemFailures"]) == 1
    assert stored(ready) == {"l1": 1, "l3": 1}


def test_database_away_brings_no_message_nearer_to_the_dead_letters(
    ready: Engine, queue: Queue, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spill_queue, "_MAX_DELAY_SECONDS", 0)
    fails(ready, raising("57P01"))
    queued(queue, lead("l1", action()))

    for _ in range(10):  # more often than a bad message may be received
        received = queue.receive()
        assert invoke(received) == {"batchItemFailures": []}
        for message in received:
            queue.delete(message)

    works_again(ready)
    assert queue.drain() == (1, 0)
    assert stored(ready) == {"l1": 1}
    assert queue.depth(queue.dead_letters_url)["Messages"] == 0


def test_message_stays_when_it_can_neither_be_stored_nor_requeued(
    ready: Engine, queue: Queue, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails(ready, raising("57P01"))
    queued(queue, lead("l1", action()))
    received = queue.receive()
    monkeypatch.setenv("QUEUE_URL", queue.url + "-gone")

    answer = invoke(received)

    assert [failure["itemIdentifier"] for failure in answer["batchItemFailures"]] == [
        received[0]["MessageId"]
    ]


def test_message_is_not_requeued_without_end(
    ready: Engine, queue: Queue, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.ingest.queue_worker.MAX_RETURNS", 0)
    fails(ready, raising("57P01"))
    queued(queue, lead("l1", action()))

    assert len(invoke(queue.receive())["batchItemFailures"]) == 1


def test_no_log_line_of_a_waiting_lead_holds_personal_data(
    ready: Engine,
    queue: Queue,
    impatient: None,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    private = lead("l1", action(), user={"email": EMAIL})
    fails(ready, raising("57P01"))
    post(private)
    queue.drain()
    fails(ready, raising("23514"))
    queued(queue, private)
    queue.send(json.dumps([private | {"surname": EMAIL}]))
    queued(queue, private | {"lead_type": "Palm Reading"})

    queue.drain()

    assert EMAIL not in printed(capfd, caplog)


# --- the dead letters


def test_replayed_dead_letters_are_stored_once_the_reason_is_gone(
    ready: Engine, queue: Queue
) -> None:
    client = boto3.client("sqs")
    for number in range(25):
        body = json.dumps([lead(f"l{number}", action())])
        client.send_message(QueueUrl=queue.dead_letters_url, MessageBody=body)

    moved = replay(client, queue.dead_letters_url, queue.url)

    assert moved == 25
    assert queue.depth(queue.dead_letters_url)["Messages"] == 0
    assert queue.drain() == (25, 0)
    assert stored(ready) == {f"l{number}": 1 for number in range(25)}


def test_id_of_the_request_goes_with_its_leads_until_they_are_stored(
    ready: Engine,
    queue: Queue,
    impatient: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent = event(json.dumps(lead("l1", action())))
    sent["headers"]["x-correlation-id"] = "order-7"
    fails(ready, raising("57P01"))
    handler(sent, LambdaContext(aws_request_id="aws-1"))
    monkeypatch.setattr("random.randint", lambda _least, _most: 0)  # requeued, seen at once
    (first,) = queue.receive()
    invoke([first])
    queue.delete(first)
    (again,) = queue.receive()
    queue.delete(again)
    boto3.client("sqs").send_message(
        QueueUrl=queue.dead_letters_url,
        MessageBody=again["Body"],
        MessageAttributes=again["MessageAttributes"],
    )
    replay(boto3.client("sqs"), queue.dead_letters_url, queue.url)
    with ready.begin() as connection:
        connection.exec_driver_sql("create table seen as select current_query() as statement")
    fails(ready, "insert into seen select current_query()")
    log = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", log)

    (replayed,) = queue.receive()
    answer = invoke([replayed])

    assert answer == {"batchItemFailures": []}
    assert "returns" not in replayed["MessageAttributes"]
    with ready.connect() as connection:
        assert connection.scalar(
            text("select count(*) from seen where statement like '/* order-7 */ %execute ingest%'")
        )
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    (record,) = [line for line in lines if line.get("message") == "queued leads stored"]
    assert record["correlation_id"] == "order-7"
