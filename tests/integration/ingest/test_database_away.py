"""What the function does while the database is away, and what becomes of the leads that waited."""

import io
import json
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.orm import Session

from common.catalog.customers import register_customer
from common.catalog.products import register_product
from common.database import retry
from common.database.engine import get_engine
from common.settings import settings
from functions.ingest import spill_queue, storage
from functions.ingest.handler import handler
from functions.ingest.queue_worker import logger
from functions.ingest.spill_queue import _client
from scripts.gateway import LambdaContext
from scripts.replay_dead_letters import replay
from tests.integration.ingest.test_function import EMAIL, event, posted, printed
from tests.support.api import Wire, action, check_problem, lead
from tests.support.waiting_leads import Queue, a_queue, invoke

PASSING = [
    "08006",  # connection failure
    "40001",  # serialization failure
    "40P01",  # deadlock
    "53100",  # disk full
    "53200",  # out of memory
    "53300",  # too many connections
    "55P03",  # lock not available
    "57014",  # statement timeout
    "57P01",  # the server shuts down
    "25006",  # the server became a replica
]


@pytest.fixture
def ready(configured_database: str) -> Engine:
    with get_engine().begin() as connection:
        register_customer(Session(connection), "acme", "Acme", "a@acme.test", None)
        register_product(Session(connection), "abc", "abc", None)
    return get_engine()


@pytest.fixture
def waiting_room(monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    with a_queue(monkeypatch) as made:
        yield made


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries as always, without the waiting between."""
    monkeypatch.setattr(retry, "_FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(storage, "_REST_SECONDS", 0.0)


def post(body: Any) -> dict[str, Any]:
    sent = event(json.dumps(body))
    answer: dict[str, Any] = handler(sent, LambdaContext(aws_request_id="aws-1"))
    return answer


def fails(engine: Engine, what: str, times: int | None = None, where: str = "true") -> None:
    """Has every insert of a lead end in `what` (plpgsql), the first `times` of them or all."""
    limit = "" if times is None else f"and nextval('failures') <= {times}"
    with engine.begin() as connection:
        connection.exec_driver_sql("drop sequence if exists failures")
        connection.exec_driver_sql("create sequence failures")
        connection.exec_driver_sql(
            "create or replace function fail() returns trigger language plpgsql as $$ begin "
            f"if ({where}) {limit} then {what}; end if; return new; end $$"
        )
        connection.exec_driver_sql(
            "create or replace trigger fail before insert on leads "
            "for each row execute function fail()"
        )


def works_again(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("drop trigger fail on leads")


def stored(engine: Engine) -> dict[str, int]:
    """The actions stored of every lead."""
    with engine.connect() as connection:
        rows = connection.execute(
            text(
                "select external_id, count(action_id) from leads "
                "left join actions using (lead_id) group by external_id"
            )
        )
        return {row[0]: row[1] for row in rows}


def raising(state: str) -> str:
    return f"raise exception 'on purpose' using errcode = '{state}'"


CUT = "perform pg_terminate_backend(pg_backend_pid())"


# --- trying again


@pytest.mark.parametrize("state", PASSING)
def test_failure_that_may_pass_is_tried_again(ready: Engine, impatient: None, state: str) -> None:
    fails(ready, raising(state), times=2)

    answer = post(lead("l1", action()))

    assert (answer["statusCode"], stored(ready)) == (201, {"l1": 1})


def test_connection_cut_in_the_middle_is_tried_again(ready: Engine, impatient: None) -> None:
    fails(ready, CUT, times=1)

    answer = post([lead("l1", action()), lead("l2", action(), action())])

    assert (answer["statusCode"], stored(ready)) == (201, {"l1": 1, "l2": 2})


def test_connection_that_went_stale_while_resting_is_replaced(ready: Engine) -> None:
    post(lead("l1", action()))
    with create_engine(ready.url).begin() as other:
        other.exec_driver_sql(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )

    assert post(lead("l2", action()))["statusCode"] == 201


@pytest.mark.parametrize("state", PASSING)
def test_failure_that_does_not_pass_is_503_with_retry_after(
    ready: Engine, impatient: None, state: str
) -> None:
    fails(ready, raising(state))

    answer = post(lead("l1", action()))

    posted(answer)
    assert (answer["statusCode"], answer["headers"]["Retry-After"]) == (503, "5")


@pytest.mark.parametrize("state", ["23514", "22001", "42501", "XX000"])
def test_what_can_never_succeed_is_500_at_once_and_not_queued(
    ready: Engine, waiting_room: Queue, state: str
) -> None:
    fails(ready, raising(state))

    answer = post(lead("l1", action()))

    with ready.connect() as connection:
        tried = connection.scalar(text("select last_value from failures"))
    assert answer["statusCode"] == 500
    assert tried == 1
    assert waiting_room.bodies() == []


def test_statement_that_takes_too_long_is_ended_by_the_server(
    ready: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "MAX_SECONDS", 0.3)
    fails(ready, "perform pg_sleep(30)")

    answer = post(lead("l1", action()))

    with create_engine(ready.url).begin() as other:
        running = other.scalar(
            text(
                "select count(*) from pg_stat_activity where query like 'execute record_leads%'"
                " and state = 'active' and datname = current_database()"
            )
        )
    assert (answer["statusCode"], running) == (503, 0)


def test_no_attempt_begins_when_the_function_is_nearly_out_of_time(ready: Engine) -> None:
    nearly_over = LambdaContext(aws_request_id="aws-1", _deadline=0.0)

    answer = handler(event(json.dumps(lead("l1", action()))), nearly_over)

    assert (answer["statusCode"], stored(ready)) == (503, {})


def test_rotated_password_is_read_again(
    ready: Engine, monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    url = make_url(str(ready.url.render_as_string(hide_password=False)))

    def secret(password: str) -> str:
        keys = {"username": "rotated", "password": password, "user_hash_key": "k" * 40}
        return json.dumps(keys)

    def rotate(password: str) -> None:
        with create_engine(url).begin() as connection:
            connection.exec_driver_sql(f"alter role rotated superuser login password '{password}'")
            connection.exec_driver_sql(
                "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'rotated'"
            )

    with create_engine(url).begin() as connection:
        connection.exec_driver_sql("drop role if exists rotated")
        connection.exec_driver_sql("create role rotated")
    rotate("first")
    with mock_aws():
        client = boto3.client("secretsmanager")
        arn = client.create_secret(Name="lead-billing", SecretString=secret("first"))["ARN"]
        for name, value in {
            "DATABASE_SECRET_ARN": arn,
            "DATABASE_HOST": str(url.host),
            "DATABASE_PORT": str(url.port),
            "DATABASE_NAME": str(url.database),
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("DATABASE_URL")
        settings.cache_clear()
        get_engine.cache_clear()
        before = post(lead("l1", action()))
        rotate("second")
        client.put_secret_value(SecretId=arn, SecretString=secret("second"))

        after = post(lead("l2", action()))

        get_engine().dispose()
    assert (before["statusCode"], after["statusCode"]) == (201, 201)
    with create_engine(url).begin() as connection:
        connection.exec_driver_sql("drop role rotated")


def test_secret_that_cannot_be_read_is_503(
    ready: Engine, monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    monkeypatch.setenv("DATABASE_SECRET_ARN", "arn:aws:secretsmanager:us-east-1:1:secret:gone")
    settings.cache_clear()
    get_engine.cache_clear()
    with mock_aws():
        answer = post(lead("l1", action()))

    assert answer["statusCode"] == 503
    monkeypatch.delenv("DATABASE_SECRET_ARN")
    settings.cache_clear()


# --- queueing


def test_single_lead_is_queued_then_stored_once(
    ready: Engine, waiting_room: Queue, impatient: None
) -> None:
    fails(ready, raising("57P01"))

    answer = post(lead("l1", action(), action("Call")))

    document = posted(answer)
    assert (answer["statusCode"], document["queued"]) == (202, 1)
    assert document["results"][0]["status"] == "queued"
    assert stored(ready) == {}
    works_again(ready)
    assert waiting_room.drain() == (1, 0)
    assert stored(ready) == {"l1": 2}
    assert post(lead("l1", action(), action("Call")))["statusCode"] == 200


def test_invalid_items_of_a_queued_batch_are_still_told(
    ready: Engine, waiting_room: Queue, impatient: None
) -> None:
    fails(ready, raising("57P01"))
    batch = [lead("l1", action()), {"lead_id": "bad"}, lead("l2", action()) | {"user": None}]

    answer = post(batch)

    document = posted(answer)
    assert answer["statusCode"] == 202
    assert [each["status"] for each in document["results"]] == ["queued", "invalid", "queued"]
    assert document["results"][2]["warnings"][0]["code"] == "missing_user"
    assert (document["queued"], document["invalid"], document["created"]) == (2, 1, 0)


def test_batch_of_invalid_leads_needs_no_database(waiting_room: Queue) -> None:
    answer = post([{"lead_id": "bad"}])

    assert (answer["statusCode"], waiting_room.bodies()) == (207, [])


def test_answer_names_no_queue_while_the_database_is_there(
    ready: Engine, waiting_room: Queue
) -> None:
    assert "queued" not in posted(post(lead("l1", action())))


def test_largest_batch_is_queued_and_stored_whole(
    ready: Engine, waiting_room: Queue, impatient: None
) -> None:
    fails(ready, raising("57P01"))
    batch = [
        lead(f"l{number}", *[action(f"Call {place}" + "x" * 150) for place in range(20)])
        for number in range(1000)
    ]

    answer = post(batch)

    assert (answer["statusCode"], posted(answer)["queued"]) == (202, 1000)
    works_again(ready)
    done, failed = waiting_room.drain()
    assert done > 10
    assert failed == 0
    assert stored(ready) == {f"l{number}": 20 for number in range(1000)}


def test_nothing_is_acknowledged_unless_all_of_it_is_on_the_queue(
    ready: Engine, waiting_room: Queue, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails(ready, raising("57P01"))
    real = _client().send_message_batch

    def takes_the_first_only(**sent: Any) -> Any:
        first, *others = sent["Entries"]
        answer = real(QueueUrl=sent["QueueUrl"], Entries=[first])
        failed = [{"Id": each["Id"], "SenderFault": False, "Code": "1"} for each in others]
        return answer | {"Failed": failed}

    monkeypatch.setattr(spill_queue, "MAX_BYTES", 400)
    monkeypatch.setattr(spill_queue, "_calls", lambda bodies: [list(bodies)])
    monkeypatch.setattr(_client(), "send_message_batch", takes_the_first_only)
    batch = [lead(f"l{number}", action()) for number in range(5)]

    refused, taken = post(batch), post(batch[:3])

    assert refused["statusCode"] == 503
    assert "Retry-After" in refused["headers"]
    assert taken["statusCode"] == 202  # what SQS did not take at first was sent again
    works_again(ready)
    waiting_room.drain()
    assert set(stored(ready)) >= {"l0", "l1", "l2"}
    assert set(stored(ready).values()) == {1}


def test_queue_that_is_away_too_is_503(
    ready: Engine, waiting_room: Queue, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails(ready, raising("57P01"))
    monkeypatch.setenv("QUEUE_URL", waiting_room.url + "-gone")

    assert post(lead("l1", action()))["statusCode"] == 503


def test_after_a_failure_the_next_leads_go_to_the_queue_at_once(
    ready: Engine, waiting_room: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "_FIRST_PAUSE_SECONDS", 0.001)
    fails(ready, raising("57P01"))
    post(lead("l1", action()))
    works_again(ready)

    second = post(lead("l2", action()))
    monkeypatch.setattr(storage, "_away_until", 0.0)
    third = post(lead("l3", action()))

    assert (second["statusCode"], third["statusCode"]) == (202, 201)


# --- the queue's function


def queued(room: Queue, *leads: Wire) -> None:
    room.send(json.dumps(list(leads)))


def test_message_handed_out_twice_is_stored_once(ready: Engine, waiting_room: Queue) -> None:
    queued(waiting_room, lead("l1", action(), action()))
    received = waiting_room.receive()

    answers = [invoke(received), invoke(received), invoke(received * 2)]

    assert all(answer == {"batchItemFailures": []} for answer in answers)
    assert stored(ready) == {"l1": 2}


def test_lead_of_an_unknown_customer_is_quarantined(ready: Engine, waiting_room: Queue) -> None:
    queued(waiting_room, lead("l1", action(), customer_id="stranger"))

    assert waiting_room.drain() == (1, 0)
    with ready.connect() as connection:
        assert connection.scalar(text("select count(*) from quarantined_leads")) == 1


def test_bad_message_fails_alone_and_ends_among_the_dead_letters(
    ready: Engine, waiting_room: Queue
) -> None:
    waiting_room.send("not ours")
    queued(waiting_room, lead("l1", action()))

    outcomes = []
    while not waiting_room.depth(waiting_room.dead_letters_url)["Messages"]:
        time.sleep(1.1)
        outcomes.append(waiting_room.drain())

    assert outcomes == [(1, 1), (0, 1), (0, 1), (0, 0)]
    assert stored(ready) == {"l1": 1}
    assert waiting_room.depth(waiting_room.dead_letters_url)["Messages"] == 1


@pytest.mark.parametrize(
    "refused", [lead("l2", action(), lead_type="Palm Reading"), lead("known", product_id="other")]
)
def test_refused_lead_fails_its_message_but_not_the_leads_beside_it(
    ready: Engine, waiting_room: Queue, refused: Wire
) -> None:
    post(lead("known"))
    queued(waiting_room, lead("l1", action()), refused, lead("l3", action()))

    answer = invoke(waiting_room.receive())

    assert len(answer["batchItemFailures"]) == 1
    assert stored(ready) == {"known": 0, "l1": 1, "l3": 1}


def test_lead_the_database_refuses_does_not_take_others_with_it(
    ready: Engine, waiting_room: Queue
) -> None:
    fails(ready, raising("23514"), where="new.external_id = 'poison'")
    queued(waiting_room, lead("l1", action()), lead("poison", action()), lead("l3", action()))

    answer = invoke(waiting_room.receive())

    assert len(answer["batchItemFailures"]) == 1
    assert stored(ready) == {"l1": 1, "l3": 1}


def test_database_away_brings_no_message_nearer_to_the_dead_letters(
    ready: Engine, waiting_room: Queue, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spill_queue, "_MAX_DELAY_SECONDS", 0)
    fails(ready, raising("57P01"))
    queued(waiting_room, lead("l1", action()))

    for _ in range(10):  # more often than a bad message may be received
        received = waiting_room.receive()
        assert invoke(received) == {"batchItemFailures": []}
        for message in received:
            waiting_room.delete(message)

    works_again(ready)
    assert waiting_room.drain() == (1, 0)
    assert stored(ready) == {"l1": 1}
    assert waiting_room.depth(waiting_room.dead_letters_url)["Messages"] == 0


def test_message_stays_when_it_can_neither_be_stored_nor_put_back(
    ready: Engine, waiting_room: Queue, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails(ready, raising("57P01"))
    queued(waiting_room, lead("l1", action()))
    received = waiting_room.receive()
    monkeypatch.setenv("QUEUE_URL", waiting_room.url + "-gone")

    answer = invoke(received)

    assert [each["itemIdentifier"] for each in answer["batchItemFailures"]] == [
        received[0]["MessageId"]
    ]


def test_message_is_not_put_back_for_ever(
    ready: Engine, waiting_room: Queue, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.ingest.queue_worker.MAX_RETURNS", 0)
    fails(ready, raising("57P01"))
    queued(waiting_room, lead("l1", action()))

    assert len(invoke(waiting_room.receive())["batchItemFailures"]) == 1


def test_no_log_line_of_a_waiting_lead_holds_personal_data(
    ready: Engine,
    waiting_room: Queue,
    impatient: None,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    private = lead("l1", action(), user={"email": EMAIL})
    fails(ready, raising("57P01"))
    post(private)
    waiting_room.drain()
    fails(ready, raising("23514"))
    queued(waiting_room, private)
    waiting_room.send(json.dumps([private | {"surname": EMAIL}]))
    queued(waiting_room, private | {"lead_type": "Palm Reading"})

    waiting_room.drain()

    assert EMAIL not in printed(capfd, caplog)


# --- the dead letters


def test_replayed_dead_letters_are_stored_once_the_reason_is_gone(
    ready: Engine, waiting_room: Queue
) -> None:
    client = boto3.client("sqs")
    for number in range(25):
        body = json.dumps([lead(f"l{number}", action())])
        client.send_message(QueueUrl=waiting_room.dead_letters_url, MessageBody=body)

    moved = replay(client, waiting_room.dead_letters_url, waiting_room.url)

    assert moved == 25
    assert waiting_room.depth(waiting_room.dead_letters_url)["Messages"] == 0
    assert waiting_room.drain() == (25, 0)
    assert stored(ready) == {f"l{number}": 1 for number in range(25)}


def test_id_of_the_request_goes_with_its_leads_until_they_are_stored(
    ready: Engine,
    waiting_room: Queue,
    impatient: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent = event(json.dumps(lead("l1", action())))
    sent["headers"]["x-correlation-id"] = "order-7"
    fails(ready, raising("57P01"))
    handler(sent, LambdaContext(aws_request_id="aws-1"))
    monkeypatch.setattr("random.randint", lambda _least, _most: 0)  # requeued, seen at once
    (first,) = waiting_room.receive()
    invoke([first])
    waiting_room.delete(first)
    (again,) = waiting_room.receive()
    waiting_room.delete(again)
    boto3.client("sqs").send_message(
        QueueUrl=waiting_room.dead_letters_url,
        MessageBody=again["Body"],
        MessageAttributes=again["MessageAttributes"],
    )
    replay(boto3.client("sqs"), waiting_room.dead_letters_url, waiting_room.url)
    with ready.begin() as connection:
        connection.exec_driver_sql("create table seen as select current_query() as statement")
    fails(ready, "insert into seen select current_query()")
    log = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", log)

    (replayed,) = waiting_room.receive()
    answer = invoke([replayed])

    assert answer == {"batchItemFailures": []}
    assert "returns" not in replayed["MessageAttributes"]
    with ready.connect() as connection:
        assert connection.scalar(
            text("select count(*) from seen where statement like '/* order-7 */ %execute ingest%'")
        )
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    (told,) = [line for line in lines if line.get("message") == "queued leads stored"]
    assert told["correlation_id"] == "order-7"


def test_503_document_is_the_contracts(ready: Engine, impatient: None) -> None:
    fails(ready, raising("57P01"))

    answer = post([lead("l1", action())])

    headers = {name.lower(): value for name, value in answer["headers"].items()}
    check_problem(503, headers, json.loads(answer["body"]), "/leads")
