"""Statements by mail: asked for by closing, sent once, retried, and what became of them."""

import email
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from aiosmtpd.controller import Controller
from moto import mock_aws
from sqlalchemy import text

from common.database.transactions import transaction
from common.settings import settings
from services.reports.mail.sending import note_mail_events, send_statements
from tests.support.api import action, lead, post
from tests.support.webhooks import announced, tell_nobody

APRIL = "2024-04"
ADDRESS = f"/billing/reports/acme/{APRIL}/deliveries"
BILLS = "bills@acme.example"
Configure = Callable[..., None]


class MailServer:
    """What a real SMTP server took, and what it answers."""

    def __init__(self) -> None:
        self.mails: list[Any] = []
        self.answer = "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        if self.answer.startswith("250"):
            self.mails.append(email.message_from_bytes(envelope.content, policy=default))
        return self.answer


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch, api: object) -> Iterator[Configure]:
    def configure(**values: object) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name.upper(), str(value))
        settings.cache_clear()

    yield configure
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def smtp(configured: Configure) -> Iterator[MailServer]:
    taken = MailServer()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(taken, hostname="127.0.0.1", port=port)
    controller.start()
    configured(
        mail_transport="smtp",
        smtp_host="127.0.0.1",
        smtp_port=port,
        smtp_starttls="false",
        mail_from="billing@issuer.example",
    )
    yield taken
    controller.stop()


def put(client: httpx.Client, **members: Any) -> None:
    body = {"name": "Acme", "email": "acme@people.test", "billing_email": BILLS} | members
    client.put("/customers/acme", json=body).raise_for_status()


def close(client: httpx.Client) -> None:
    post(client, lead("lead-1", action())).raise_for_status()
    client.post(f"/billing/periods/{APRIL}/close").raise_for_status()


def work() -> bool:
    return send_statements(settings(), threading.Event())


def deliveries(client: httpx.Client) -> list[tuple[int, str, int]]:
    found = client.get(ADDRESS).raise_for_status().json()["data"]
    return [(each["delivery_number"], each["status"], each["attempts"]) for each in found]


def due_now() -> None:
    """As if the wait, or the lease of a worker, were over."""
    with transaction() as session:
        session.execute(text("update deliveries set next_attempt_at = now()"))


def test_closing_sends_the_statement_once(acme: httpx.Client, smtp: MailServer) -> None:
    put(acme)
    close(acme)
    before = deliveries(acme)

    assert (work(), work()) == (True, False)

    (mail,) = smtp.mails
    (attached,) = mail.iter_attachments()
    plain, html = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
    assert before == [(1, "pending", 0)]
    assert deliveries(acme) == [(1, "sent", 1)]
    assert (mail["To"], mail["Subject"]) == (
        BILLS,
        "Statement 2024-04-acme-1 for April 2024 from Lead Billing Engine",
    )
    assert mail["From"] == "Lead Billing Engine <billing@issuer.example>"
    assert attached.get_filename() == "statement-2024-04-acme-1.pdf"
    assert attached.get_content().startswith(b"%PDF")
    assert "Amount due: USD 10.00" in plain
    assert "Dear Acme" in html


def test_close_that_is_repeated_asks_for_nothing_more(acme: httpx.Client, smtp: MailServer) -> None:
    put(acme)
    close(acme)
    acme.post(f"/billing/periods/{APRIL}/close").raise_for_status()

    assert deliveries(acme) == [(1, "pending", 0)]
    assert not smtp.mails


def test_customer_without_an_address_and_mails_off_ask_for_none(
    acme: httpx.Client, smtp: MailServer, configured: Configure
) -> None:
    put(acme, billing_email="")
    close(acme)
    refused = acme.post(ADDRESS)
    configured(mail_transport="off")
    off = acme.post(ADDRESS)

    assert (deliveries(acme), work(), smtp.mails) == ([], False, [])
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (409, "no_billing_email")
    assert (off.status_code, off.json()["errors"][0]["code"]) == (409, "mail_off")


def test_mail_is_tried_again_later_and_given_up_when_refused(
    acme: httpx.Client, smtp: MailServer
) -> None:
    put(acme)
    close(acme)
    smtp.answer = "451 try later"
    work()
    waiting = deliveries(acme)
    at_once = work()
    due_now()
    smtp.answer = "554 never"
    work()
    due_now()

    assert (waiting, at_once) == ([(1, "pending", 1)], False)
    assert deliveries(acme) == [(1, "failed", 2)]
    assert "554 never" in acme.get(ADDRESS).json()["data"][0]["detail"]
    assert work() is False


def test_server_that_is_away_costs_no_statement(
    acme: httpx.Client, smtp: MailServer, configured: Configure
) -> None:
    put(acme)
    close(acme)
    port = settings().smtp_port
    configured(smtp_port=1)
    work()
    configured(smtp_port=port)
    due_now()
    work()

    assert deliveries(acme) == [(1, "sent", 2)]
    assert len(smtp.mails) == 1


@pytest.mark.parametrize("is_committed", [False, True])
def test_killed_sender_is_taken_up_again(
    acme: httpx.Client, smtp: MailServer, is_committed: bool
) -> None:
    put(acme)
    close(acme)
    kill = "os.kill(os.getpid(), signal.SIGKILL)\n"
    script = (
        "import os, signal\n"
        "from common.database.transactions import transaction\n"
        "from common.delivery.deliveries import take_delivery\n"
        "with transaction() as session:\n"
        f"    assert take_delivery(session)\n{'' if is_committed else '    ' + kill}"
        f"{kill if is_committed else ''}"
    )
    with transaction() as session:
        url = session.connection().engine.url.render_as_string(hide_password=False)
    environment = os.environ | {"DATABASE_URL": url}
    ended = subprocess.run([sys.executable, "-c", script], env=environment, check=False)
    assert ended.returncode == -9
    if is_committed:
        assert not work()  # a lease that runs keeps others away
        due_now()
    deadline = time.monotonic() + 20  # until the database has noticed the death
    while not work():
        assert time.monotonic() < deadline
        time.sleep(0.1)

    assert len(smtp.mails) == 1
    assert deliveries(acme) == [(1, "sent", 2 if is_committed else 1)]


def test_statement_is_sent_again_and_the_audit_says_who(
    acme: httpx.Client, smtp: MailServer
) -> None:
    put(acme)
    close(acme)
    waiting = acme.post(ADDRESS)
    work()
    page = acme.get(f"/billing/reports/acme/{APRIL}.html", headers={"accept": "text/html"}).text
    form = {"customer_id": "acme", "period": APRIL}
    posted = acme.post("/console/delivery", data=form, headers={"accept": "text/html"})
    assert posted.status_code == 303, posted.text
    work()
    (entry,) = acme.get("/audit", params={"action": "sent again"}).json()["data"]

    assert waiting.json()["errors"][0]["code"] == "delivery_pending"
    assert f"Send again to {BILLS}" in page
    assert deliveries(acme) == [(2, "sent", 1), (1, "sent", 1)]
    assert len({mail["Message-ID"] for mail in smtp.mails}) == 2
    assert entry["after"]["recipient"] == "b***@acme.example"


def test_names_of_others_end_no_header(
    acme: httpx.Client, smtp: MailServer, configured: Configure
) -> None:
    configured(report_issuer="Us\r\nBcc: evil@x.example")
    put(acme, name="Acme\r\nBcc: evil@x.example\r\n\r\nHello")
    close(acme)
    work()

    (mail,) = smtp.mails
    assert mail["Bcc"] is None
    assert mail.get_all("To") == [BILLS]
    assert "Bcc: evil" in mail["Subject"]
    assert "\nHello" not in mail.get_body(("plain",)).get_content()


def test_large_statement_is_linked(
    acme: httpx.Client, smtp: MailServer, configured: Configure
) -> None:
    configured(mail_attachment_max_bytes=10, public_url="https://bills.example/")
    put(acme)
    close(acme)
    work()

    (mail,) = smtp.mails
    assert not list(mail.iter_attachments())
    link = f"https://bills.example/billing/reports/acme/{APRIL}.html"
    assert link in mail.get_body(("plain",)).get_content()
    assert link in mail.get_body(("html",)).get_content()


def test_folder_catches_all_mails(
    acme: httpx.Client, configured: Configure, tmp_path: Path
) -> None:
    configured(mail_transport="folder", mail_folder=tmp_path / "mail")
    put(acme)
    close(acme)
    work()

    (file,) = (tmp_path / "mail").iterdir()
    mail = email.message_from_bytes(file.read_bytes(), policy=default)
    assert isinstance(mail, EmailMessage)
    assert (file.suffix, mail["To"]) == (".eml", BILLS)


@pytest.fixture
def ses(configured: Configure, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        boto3.client("sesv2").create_email_identity(EmailIdentity="billing@issuer.example")
        queue = boto3.client("sqs").create_queue(QueueName="events")["QueueUrl"]
        configured(
            mail_transport="ses", mail_from="billing@issuer.example", mail_events_queue_url=queue
        )
        yield boto3.client("sqs")


def tell(sqs: Any, kind: str, message_id: str, **more: Any) -> None:
    event = {"eventType": kind, "mail": {"messageId": message_id}} | more
    envelope = {"TopicArn": "arn:aws:sns:us-east-1:1:t", "Message": json.dumps(event)}
    url = settings().mail_events_queue_url
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps(envelope))


def hear() -> bool:
    return note_mail_events(settings(), threading.Event())


def test_ses_sends_and_tells_of_deliveries_bounces_and_complaints(
    acme: httpx.Client, ses: Any
) -> None:
    put(acme)
    close(acme)
    assert work()
    assert deliveries(acme) == [(1, "sent", 1)]
    with transaction() as session:
        message_id = session.scalar(text("select provider_id from deliveries"))

    tell(ses, "Delivery", message_id)
    hear()
    delivered = deliveries(acme)
    recipients = [{"emailAddress": BILLS, "diagnosticCode": "550 no such user"}]
    tell(ses, "Bounce", message_id,
         bounce={"bounceType": "Permanent", "bouncedRecipients": recipients})  # fmt: skip
    hear()
    bounced = acme.get(ADDRESS).json()["data"][0]
    tell(ses, "Delivery", message_id)
    hear()
    still = deliveries(acme)
    tell(ses, "Complaint", message_id, complaint={})
    hear()

    assert delivered == [(1, "delivered", 1)]
    assert (bounced["status"], bounced["detail"]) == ("bounced", "Permanent: 550 no such user")
    assert still == [(1, "bounced", 1)]
    assert deliveries(acme) == [(1, "complained", 1)]
    assert hear() is False


def test_a_delivered_statement_is_announced_once(
    acme: httpx.Client, ses: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_nobody(acme, monkeypatch, "report.delivered")
    put(acme)
    close(acme)
    assert work()
    before = announced("report.delivered")
    with transaction() as session:
        message_id = session.scalar(text("select provider_id from deliveries"))

    for kind in ("Delivery", "Delivery"):
        tell(ses, kind, message_id)
        hear()

    report_id = acme.get("/billing/reports/acme/2024-04").json()["report_id"]
    assert before == []
    assert announced("report.delivered") == [
        {
            "customer_id": "acme",
            "period": "2024-04",
            "report_id": report_id,
            "delivery_number": 1,
            "status": "delivered",
        }
    ]


def test_by_smtp_a_statement_is_announced_when_the_server_took_it(
    acme: httpx.Client, smtp: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_nobody(acme, monkeypatch, "report.delivered")
    put(acme)
    close(acme)
    assert work()

    assert [event["status"] for event in announced("report.delivered")] == ["sent"]


def test_notification_that_is_not_ours_stays_in_the_queue(acme: httpx.Client, ses: Any) -> None:
    tell(ses, "Bounce", "another", bounce={"bouncedRecipients": []})
    ses.send_message(QueueUrl=settings().mail_events_queue_url, MessageBody="no JSON")

    hear()

    waiting = ses.get_queue_attributes(
        QueueUrl=settings().mail_events_queue_url,
        AttributeNames=["ApproximateNumberOfMessagesNotVisible"],
    )
    assert waiting["Attributes"]["ApproximateNumberOfMessagesNotVisible"] == "2"


def test_tenant_sees_its_own_deliveries_alone(acme: httpx.Client, smtp: MailServer) -> None:
    put(acme)
    close(acme)
    with transaction() as session:
        session.execute(text("set local role lead_billing_customer"))
        session.execute(
            text("select set_config('lead_billing.tenant', gen_random_uuid()::text, true)")
        )
        assert session.scalar(text("select count(*) from deliveries")) == 0
    assert not smtp.mails
