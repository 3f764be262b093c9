"""The steps of the background worker that send statements and note what became of them."""

import json
import logging
import threading
from email.message import EmailMessage
from typing import Any

import boto3
from botocore.config import Config

from common.billing_period import Period
from common.database.transactions import snapshot, transaction
from common.delivery.deliveries import (
    TakenDelivery,
    note_event,
    note_failure,
    note_sent,
    take_delivery,
)
from common.enums import MailStatus
from common.reports.months import find_month
from common.settings import MailTransport, Settings
from services.reports.mail.message import Sender, statement_mail
from services.reports.mail.transports import NotSent, send
from services.reports.render.masking import with_masked_users
from services.reports.render.pdf import statement
from services.reports.report_loader import load_report

logger = logging.getLogger("lead_billing.mail")
_EVENTS_AT_ONCE = 10


def send_statements(known: Settings, _stopping: threading.Event) -> bool:
    """Sends the statement that has waited longest."""
    if known.mail_transport is MailTransport.OFF:
        return False
    with transaction() as session:
        taken = take_delivery(session)
    if taken is None:
        return False
    try:
        provider_id = send(_mail_of(taken, known), known)
    except NotSent as error:
        logger.warning("a statement was not sent", extra={"report_id": str(taken.report_id)})
        with transaction() as session:
            note_failure(session, taken, str(error), is_final=error.is_final)
        return True
    with transaction() as session:
        note_sent(session, taken, provider_id)
    logger.info("a statement was sent", extra={"report_id": str(taken.report_id)})
    return True


def _mail_of(taken: TakenDelivery, known: Settings) -> EmailMessage:
    with snapshot() as session:
        month = find_month(session, taken.customer, Period(taken.period))
        report, _ = load_report(session, month)
        report = with_masked_users(report)
        pdf = None
        count = report.totals.actions + len(report.prior_period)
        if count <= statement.LINES_WITHOUT_PROGRESS:
            pdf = b"".join(statement.render(report))
            if len(pdf) > known.mail_attachment_max_bytes:
                pdf = None
        sender = Sender(report.issuer, known.mail_from, known.public_url)
        key = f"{taken.report_id}:{taken.recipient}:{taken.delivery_number}"
        return statement_mail(
            report, pdf, taken.recipient, sender, asked_at=taken.created_at, key=key
        )


def note_mail_events(known: Settings, _stopping: threading.Event) -> bool:
    """Notes what SES says of mails, from the queue that its notifications come to.

    A queue and no public address: only AWS may write to it, so nobody can say that a mail bounced.
    A message that is not understood, or is of no delivery here, stays for the dead letters.
    """
    if known.mail_events_queue_url is None:
        return False
    patience = Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 2})
    queue = boto3.client("sqs", config=patience)
    answer = queue.receive_message(
        QueueUrl=known.mail_events_queue_url, MaxNumberOfMessages=_EVENTS_AT_ONCE
    )
    messages = answer.get("Messages", [])
    for message in messages:
        try:
            is_noted = _note(json.loads(message["Body"]))
        except (ValueError, KeyError, TypeError, AttributeError):
            logger.exception("a notification about a mail was not understood")
            continue
        if is_noted:
            queue.delete_message(
                QueueUrl=known.mail_events_queue_url, ReceiptHandle=message["ReceiptHandle"]
            )
    return bool(messages)


def _note(event: dict[str, Any]) -> bool:
    if "Message" in event and "TopicArn" in event:  # SNS has put it into an envelope
        event = json.loads(event["Message"])
    kind = event.get("eventType") or event["notificationType"]
    detail = ""
    match kind:
        case "Delivery":
            status = MailStatus.DELIVERED
        case "Complaint":
            status = MailStatus.COMPLAINED
            detail = str(event["complaint"].get("complaintFeedbackType") or "marked as spam")
        case "Bounce":
            status = MailStatus.BOUNCED
            reasons = (
                recipient.get("diagnosticCode")
                for recipient in event["bounce"]["bouncedRecipients"]
            )
            kinds = (event["bounce"].get("bounceType"), *reasons)
            detail = ": ".join(str(part) for part in kinds if part)
        case _:
            return True  # such as Send: it says nothing new
    with transaction() as session:
        return note_event(session, event["mail"]["messageId"], status, detail)
