"""Sending: signed, in order, at least once, with growing pauses, and never to nobody for ever."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from standardwebhooks import WebhookVerificationError

from common.database.transactions import transaction
from common.events import posting, sending
from common.events.announce import announce
from common.events.event_types import EventType
from common.events.outbox import pause_seconds
from common.events.signing import Message
from common.identifiers import customer_id
from common.settings import settings
from tests.support.api import PROJECT, Wire, action, lead, post, register
from tests.support.webhooks import Receiver, created, deliveries, make_due, send


def announced(*numbers: int, customer: str = "acme") -> None:
    for number in numbers:
        with transaction() as session:
            data = {"number": number, "customer_id": customer}
            announce(session, customer_id(customer), EventType.DISPUTE_OPENED, data)


def numbers(receiver: Receiver, customer: str = "acme") -> list[int]:
    told = [message.event["data"] for message in receiver.received]
    return [data["number"] for data in told if data["customer_id"] == customer]


def act(client: httpx.Client, webhook: Wire, verb: str, **body: Any) -> Any:
    address = f"/webhooks/{webhook['webhook_id']}/{verb}"
    return client.post(address, json=body or None).raise_for_status().json()


def shown(client: httpx.Client, webhook: Wire) -> Any:
    return client.get(f"/webhooks/{webhook['webhook_id']}").raise_for_status().json()


def test_message_is_what_the_specification_says(acme: httpx.Client, receiver: Receiver) -> None:
    secret = created(acme, receiver)["secret"]
    announced(1)

    assert send()

    [message] = receiver.received
    assert message.verify(secret)["data"] == {"number": 1, "customer_id": "acme"}
    assert set(message.event) == {"type", "timestamp", "data"}
    assert message.headers["content-type"] == "application/json"
    with pytest.raises(WebhookVerificationError):
        message._replace(body=message.body.replace(b"1", b"2")).verify(secret)


def test_events_of_a_customer_arrive_in_order(acme: httpx.Client, receiver: Receiver) -> None:
    created(acme, receiver)
    announced(*range(20))

    assert send()

    assert numbers(receiver) == list(range(20))
    assert not send()


def test_failed_event_is_not_overtaken_by_one_of_its_customer(
    acme: httpx.Client, receiver: Receiver
) -> None:
    register(acme, customers={"acme": "UTC", "beta": "UTC"})
    webhook = created(acme, receiver)
    receiver.answers = [(500, {})]
    announced(1)
    send()
    announced(2)
    announced(1, customer="beta")
    send()

    assert numbers(receiver) == [1]
    assert numbers(receiver, "beta") == [1]
    assert [row["status"] for row in deliveries(acme, webhook, status="failing")] == ["failing"]

    make_due()
    send()

    assert numbers(receiver) == [1, 1, 2]
    assert len({message.id for message in receiver.received}) == 3


def test_pauses_grow_to_hours_and_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len({pause_seconds(3) for _ in range(10)}) > 5
    monkeypatch.setattr("random.uniform", lambda low, high: (low + high) / 2)

    pauses = [pause_seconds(attempts) for attempts in range(1, 10)]

    assert pauses[:4] == [5, 20, 80, 320]
    assert pauses[-1] == 3 * 3600
    assert pause_seconds(10_000) == 3 * 3600


def test_failed_attempt_says_why_and_when_the_next_one_is(
    acme: httpx.Client, receiver: Receiver
) -> None:
    webhook = created(acme, receiver)
    receiver.answers = [(503, {})]
    announced(1)

    send()

    [delivery] = deliveries(acme, webhook)
    assert (delivery["status"], delivery["attempts"]) == ("failing", 1)
    assert (delivery["last_status"], delivery["last_error"]) == (503, "answered 503")
    assert delivery["next_attempt_at"] > delivery["last_attempt_at"]
    assert not send()


def test_after_three_days_the_webhook_is_disabled_and_shown_on_the_overview(
    acme: httpx.Client, receiver: Receiver
) -> None:
    webhook = created(acme, receiver)
    receiver.answers = [(500, {})] * 3
    announced(1, 2)
    send()
    make_due(days_ago=2.9)
    send()
    assert shown(acme, webhook)["status"] == "enabled"
    make_due(days_ago=0.2)

    send()

    after = shown(acme, webhook)
    assert (after["status"], after["disabled_because"]) == ("disabled", "undeliverable")
    post(acme, lead("one", action())).raise_for_status()
    assert "webhook that was disabled" in acme.get("/", headers={"accept": "text/html"}).text
    assert "lead_billing_webhooks_disabled_now 1.0" in acme.get("/metrics").text
    make_due()
    assert not send()

    act(acme, webhook, "enable")
    send()

    assert numbers(receiver) == [1, 1, 1, 1, 2]
    assert [row["attempts"] for row in deliveries(acme, webhook)] == [1, 1]


def test_receiver_that_is_gone_disables_its_webhook_at_once(
    acme: httpx.Client, receiver: Receiver
) -> None:
    webhook = created(acme, receiver)
    receiver.answers = [(410, {})]
    announced(1)

    send()

    assert shown(acme, webhook)["disabled_because"] == "gone"
    audit = acme.get("/audit", params={"action": "disabled"}).json()["data"]
    assert [entry["actor"] for entry in audit] == ["background worker"]


def test_disabled_webhook_is_told_nothing_until_it_is_enabled(
    acme: httpx.Client, receiver: Receiver
) -> None:
    webhook = created(acme, receiver)
    act(acme, webhook, "disable")
    announced(1, 2)

    assert not send()
    act(acme, webhook, "enable")
    assert send()

    assert numbers(receiver) == [1, 2]


def test_redirect_is_not_followed(acme: httpx.Client, receiver: Receiver) -> None:
    webhook = created(acme, receiver)
    receiver.answers = [(307, {"location": f"{receiver.url}/elsewhere"})]
    announced(1)

    send()

    assert [message.path for message in receiver.received] == ["/hook"]
    assert deliveries(acme, webhook)[0]["last_error"] == "answered 307"


def test_secret_rotates_with_an_overlap(acme: httpx.Client, receiver: Receiver) -> None:
    webhook = created(acme, receiver)
    rotated = act(acme, webhook, "rotate")
    announced(1)
    send()
    with transaction() as session:
        session.execute(text("update webhooks set previous_until = now() - interval '1 second'"))
    announced(2)
    send()

    during, after = receiver.received
    assert webhook["secret"] != rotated["secret"]
    for secret in (webhook["secret"], rotated["secret"]):
        assert during.verify(secret)["data"]["number"] == 1
    assert after.verify(rotated["secret"])["data"]["number"] == 2
    with pytest.raises(WebhookVerificationError):
        after.verify(webhook["secret"])


def test_redelivered_event_keeps_its_id_and_comes_last(
    acme: httpx.Client, receiver: Receiver
) -> None:
    webhook = created(acme, receiver)
    announced(1, 2)
    send()
    first = deliveries(acme, webhook)[-1]

    again = act(acme, webhook, f"deliveries/{first['delivery_id']}/redeliver")
    announced(3)
    send()

    assert numbers(receiver) == [1, 2, 1, 3]
    assert receiver.received[0].id == receiver.received[2].id == again["message_id"]
    assert receiver.received[0].body == receiver.received[2].body


def test_failing_event_that_is_redelivered_is_tried_at_once(
    acme: httpx.Client, receiver: Receiver
) -> None:
    webhook = created(acme, receiver)
    receiver.answers = [(500, {})]
    announced(1)
    send()
    [failing] = deliveries(acme, webhook)

    act(acme, webhook, f"deliveries/{failing['delivery_id']}/redeliver")
    send()

    assert numbers(receiver) == [1, 1]
    assert [row["status"] for row in deliveries(acme, webhook)] == ["delivered"]


def test_two_workers_send_each_event_once_and_in_order(
    acme: httpx.Client, receiver: Receiver
) -> None:
    created(acme, receiver)
    announced(*range(30))

    workers = [threading.Thread(target=send) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    while send():
        pass

    assert numbers(receiver) == list(range(30))


def test_slow_receiver_holds_up_no_other(acme: httpx.Client, receiver: Receiver) -> None:
    with Receiver().running() as slow:
        created(acme, slow)
        created(acme, receiver)
        slow.silent.set()
        announced(*range(10))

        worker = threading.Thread(target=send)
        worker.start()
        receiver.wait_for(10)
        slow.silent.clear()
        worker.join()

        assert numbers(receiver) == numbers(slow) == list(range(10))


_ANNOUNCE = """
import os, signal
from common.database.transactions import transaction
from common.events.announce import announce
from common.events.event_types import EventType
from common.identifiers import customer_id
with transaction() as session:
    announce(session, customer_id("acme"), EventType.DISPUTE_OPENED,
             {"number": 1, "customer_id": "acme"})
os.kill(os.getpid(), signal.SIGKILL)
"""
_SEND = """
import threading
from common.events.sending import send_events
from common.settings import settings
send_events(settings(), threading.Event())
"""


def test_nothing_is_lost_when_processes_are_killed_between_commit_and_answer(
    acme: httpx.Client, receiver: Receiver, configured_database: str
) -> None:
    created(acme, receiver)
    environment = os.environ | {"DATABASE_URL": configured_database}
    dead = subprocess.run(
        [sys.executable, "-c", _ANNOUNCE], cwd=PROJECT, env=environment, check=False
    )
    assert dead.returncode == -signal.SIGKILL
    assert numbers(receiver) == []
    receiver.silent.set()
    with subprocess.Popen(
        [sys.executable, "-c", _SEND], cwd=PROJECT, env=environment
    ) as sending_process:
        receiver.wait_for(1)
        sending_process.kill()
    receiver.silent.clear()

    assert not send()  # its lease has not ended
    make_due()
    assert send()

    assert numbers(receiver) == [1, 1]
    assert len({message.id for message in receiver.received}) == 1
    assert not send()


def test_what_was_delivered_is_deleted_after_thirty_days(
    acme: httpx.Client, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook = created(acme, receiver)
    announced(1, 2)
    send()
    announced(3)
    with transaction() as session:
        session.execute(
            text(
                "update webhook_deliveries set occurred_at = now() - interval '31 days', "
                "delivered_at = delivered_at - interval '31 days' where data ->> 'number' <> '2'"
            )
        )

    receiver.answers = [(500, {})]
    monkeypatch.setattr(sending, "_last_deletion", [float("-inf")])
    send()

    assert [row["data"]["number"] for row in deliveries(acme, webhook)] == [3, 2]


def test_fault_of_the_sender_counts_as_no_failure_of_the_receiver(
    acme: httpx.Client, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook = created(acme, receiver)
    announced(1)

    def away(_settings: object) -> sending.Send:
        def send_nothing(_message: object) -> Any:
            raise sending.SenderAway

        return send_nothing

    with monkeypatch.context() as patched:
        patched.setattr(sending, "_sender", away)
        send()

    [delivery] = deliveries(acme, webhook)
    assert (delivery["status"], delivery["attempts"]) == ("waiting", 0)
    make_due()
    send()
    assert numbers(receiver) == [1]


def test_log_holds_no_secret_and_no_address(
    acme: httpx.Client, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    secret = created(acme, receiver)["secret"]
    receiver.answers = [(500, {}), (410, {})]
    announced(1)

    with caplog.at_level("DEBUG", logger="lead_billing"):
        send()
        make_due()
        send()

    logged = "".join(str(vars(line)) for line in caplog.records)
    assert "dispute.opened" in logged
    assert secret not in logged
    assert receiver.url not in logged


def test_sample_of_the_page_verifies_what_is_sent(acme: httpx.Client, receiver: Receiver) -> None:
    secret = created(acme, receiver)["secret"]
    announced(1)
    send()
    [sample] = re.findall(
        r"```python\n(.*?)```", (PROJECT / "docs" / "webhooks.md").read_text(), re.DOTALL
    )
    page: dict[str, Any] = {}

    exec(sample, page)  # noqa: S102 - our own page

    [message] = receiver.received
    assert page["receive"](secret, message.headers, message.body) == 204
    assert page["receive"](secret, message.headers, message.body) == 204
    assert page["receive"](secret, message.headers, b"{}") == 401
    assert page["SEEN"] == {message.id}


def test_page_of_webhooks_lists_the_events_that_are_offered() -> None:
    page = (PROJECT / "docs" / "webhooks.md").read_text()

    assert re.findall(r"^\| `([a-z]+\.[a-z]+)` \|", page, re.MULTILINE) == [*EventType]


class _Lambda:
    """Stands in for AWS: runs the sender function's own code, or fails as Lambda does."""

    def __init__(self, receiver_url: str) -> None:
        self.receiver_url = receiver_url
        self.fails = False

    def invoke(self, **call: Any) -> dict[str, Any]:
        assert call["FunctionName"] == "the-sender"
        message = Message(**json.loads(call["Payload"]))
        assert message.url == self.receiver_url
        if self.fails:
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(b"{}")}
        answer = json.dumps(posting.post(message, to_loopback=True)._asdict())
        return {"Payload": io.BytesIO(answer.encode())}


def test_where_a_sender_function_is_set_it_posts(
    acme: httpx.Client, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook = created(acme, receiver)
    function = _Lambda(receiver.url)
    monkeypatch.setattr(sending, "_client", lambda: function)
    monkeypatch.setenv("WEBHOOK_FUNCTION", "the-sender")
    settings.cache_clear()
    announced(1)
    function.fails = True
    send()
    assert [row["status"] for row in deliveries(acme, webhook)] == ["waiting"]
    make_due()
    function.fails = False

    send()

    assert receiver.received[0].verify(webhook["secret"])["data"]["number"] == 1
    assert [row["attempts"] for row in deliveries(acme, webhook)] == [1]
