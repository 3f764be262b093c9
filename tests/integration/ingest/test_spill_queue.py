"""Leads that the function queues while the database is away."""

from typing import Any

import pytest
from sqlalchemy import Engine

from common.database import engine as engine_module
from common.settings import settings
from functions.ingest import spill_queue, storage
from functions.ingest.spill_queue import _client
from tests.support.api import action, lead
from tests.support.failing_database import fails, post, raising, stored, works_again
from tests.support.function import posted
from tests.support.waiting_leads import Queue

# --- queueing


def test_single_lead_is_queued_then_stored_once(
    ready: Engine, queue: Queue, impatient: None
) -> None:
    fails(ready, raising("57P01"))

    answer = post(lead("l1", action(), action("Call")))

    document = posted(answer)
    assert (answer["statusCode"], document["queued"]) == (202, 1)
    assert document["results"][0]["status"] == "queued"
    assert stored(ready) == {}
    works_again(ready)
    assert queue.drain() == (1, 0)
    assert stored(ready) == {"l1": 2}
    assert post(lead("l1", action(), action("Call")))["statusCode"] == 200


def test_invalid_items_of_a_queued_batch_are_still_reported(
    ready: Engine, queue: Queue, impatient: None
) -> None:
    fails(ready, raising("57P01"))
    batch = [lead("l1", action()), {"lead_id": "bad"}, lead("l2", action()) | {"user": None}]

    answer = post(batch)

    document = posted(answer)
    assert answer["statusCode"] == 202
    assert [result["status"] for result in document["results"]] == ["queued", "invalid", "queued"]
    assert document["results"][2]["warnings"][0]["code"] == "missing_user"
    assert (document["queued"], document["invalid"], document["created"]) == (2, 1, 0)


def test_batch_of_invalid_leads_needs_no_database(queue: Queue) -> None:
    answer = post([{"lead_id": "bad"}])

    assert (answer["statusCode"], queue.bodies()) == (207, [])


def test_answer_names_no_queue_while_the_database_is_there(ready: Engine, queue: Queue) -> None:
    assert "queued" not in posted(post(lead("l1", action())))


def test_largest_batch_is_queued_and_stored_whole(
    ready: Engine, queue: Queue, impatient: None
) -> None:
    fails(ready, raising("57P01"))
    batch = [
        lead(f"l{number}", *[action(f"Call {place}" + "x" * 150) for place in range(20)])
        for number in range(1000)
    ]

    answer = post(batch)

    assert (answer["statusCode"], posted(answer)["queued"]) == (202, 1000)
    works_again(ready)
    done, failed = queue.drain()
    assert done > 10
    assert failed == 0
    assert stored(ready) == {f"l{number}": 20 for number in range(1000)}


def test_nothing_is_acknowledged_unless_all_of_it_is_on_the_queue(
    ready: Engine, queue: Queue, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails(ready, raising("57P01"))
    real = _client().send_message_batch

    def takes_the_first_only(**sent: Any) -> Any:
        first, *others = sent["Entries"]
        answer = real(QueueUrl=sent["QueueUrl"], Entries=[first])
        failed = [{"Id": entry["Id"], "SenderFault": False, "Code": "1"} for entry in others]
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
    queue.drain()
    assert set(stored(ready)) >= {"l0", "l1", "l2"}
    assert set(stored(ready).values()) == {1}


def test_queue_that_is_away_too_is_503(
    ready: Engine, queue: Queue, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails(ready, raising("57P01"))
    monkeypatch.setenv("QUEUE_URL", queue.url + "-gone")
    settings.cache_clear()

    assert post(lead("l1", action()))["statusCode"] == 503


def test_after_a_failure_the_next_leads_go_to_the_queue_at_once(
    ready: Engine, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "_FIRST_PAUSE_SECONDS", 0.001)
    fails(ready, raising("57P01"))
    post(lead("l1", action()))
    works_again(ready)

    second = post(lead("l2", action()))
    monkeypatch.setattr(storage, "_away_until", 0.0)
    third = post(lead("l3", action()))

    assert (second["statusCode"], third["statusCode"]) == (202, 201)
