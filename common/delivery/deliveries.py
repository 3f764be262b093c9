"""Deliveries of final reports by mail: asking for them, taking them, and what came of them.

Invariant: closing asks for the first delivery in its own transaction, so none is lost and each is
of a final report. A delivery is taken by one worker at a time. A mail is sent twice only
where a worker dies between the mail server's yes and the commit that notes it.
"""

from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, insert, select, text
from sqlalchemy.orm import Session

from common.audit_log import record_change
from common.billing_period import Period
from common.catalog.customers import get_customer
from common.catalog.models import Customer
from common.database.locks import lock_customer
from common.database.sql_loader import load_statement
from common.delivery.models import Delivery
from common.enums import MailStatus
from common.events.announce import announce
from common.events.event_types import EventType
from common.final_reports.models import BillingReport
from common.problems import Conflict, FieldError, NotFound
from common.settings import MailTransport, settings

LEASE_SECONDS = 600
# A minute, then longer and longer, for about three days.
_WAITS_SECONDS = (60, 300, 900, 3_600, 4 * 3_600, *[12 * 3_600] * 5)
_MAX_DETAIL_LENGTH = 500

_TAKE = text(load_statement("delivery", "take_delivery"))
_NOTE_ATTEMPT = text(load_statement("delivery", "note_attempt"))
_NOTE_EVENT = text(load_statement("delivery", "note_event"))


class TakenDelivery(NamedTuple):
    """A delivery that this worker is to send, before its lease runs out."""

    customer_id: UUID
    report_id: UUID
    recipient: str
    delivery_number: int
    attempts: int
    created_at: datetime
    customer: str
    period: date


def take_delivery(session: Session) -> TakenDelivery | None:
    """The delivery that has waited longest, leased; None if none waits."""
    row = session.execute(_TAKE, {"lease_seconds": LEASE_SECONDS}).first()
    return None if row is None else TakenDelivery(*row)


def note_sent(session: Session, taken: TakenDelivery, provider_id: str | None) -> None:
    """`provider_id`: None of a mail server that will tell nothing more of the message."""
    is_noted = _note(session, taken, MailStatus.SENT, provider_id=provider_id)
    if is_noted and provider_id is None:
        _announce(
            session, taken.customer_id, taken.report_id, taken.delivery_number, MailStatus.SENT
        )


def note_failure(session: Session, taken: TakenDelivery, reason: str, *, is_final: bool) -> None:
    """Waits for the next attempt; gives up if there is none, or no use in one (`is_final`)."""
    if is_final or taken.attempts > len(_WAITS_SECONDS):
        _note(session, taken, MailStatus.FAILED, detail=reason)
    else:
        wait = _WAITS_SECONDS[taken.attempts - 1]
        _note(session, taken, MailStatus.PENDING, detail=reason, wait_seconds=wait)


def note_event(session: Session, provider_id: str, status: MailStatus, detail: str) -> bool:
    """Notes what became of a message; says whether it is one of ours."""
    found = session.execute(
        _NOTE_EVENT,
        {
            "provider_id": provider_id,
            "status": status.value,
            "detail": detail[:_MAX_DETAIL_LENGTH] or None,
        },
    ).first()
    if found and status is MailStatus.DELIVERED and found.status_before == MailStatus.SENT:
        _announce(session, found.customer_id, found.report_id, found.delivery_number, status)
    return found is not None or bool(
        session.scalar(select(Delivery.attempts).where(Delivery.provider_id == provider_id))
    )


def list_deliveries(session: Session, customer_id: UUID, report_id: UUID) -> list[Delivery]:
    """The deliveries of a final report, the newest first."""
    query = (
        select(Delivery)
        .where(Delivery.customer_id == customer_id, Delivery.report_id == report_id)
        .order_by(Delivery.created_at.desc(), Delivery.delivery_number.desc())
    )
    return list(session.scalars(query))


def send_again(session: Session, customer: str, period: Period) -> Delivery:
    """Asks for one more delivery of a final report, to the customer's billing email of now.

    Raises NotFound for a month without a final report of its own, and Conflict for a customer
    without a billing email, while a delivery to it waits, or where mails are off.
    """
    if settings().mail_transport is MailTransport.OFF:
        raise Conflict(
            "mails are switched off",
            [FieldError("", "mail_off", "set MAIL_TRANSPORT to send statements")],
        )
    owner = get_customer(session, customer)
    lock_customer(session, owner.customer_id)
    report_id = session.scalar(
        select(BillingReport.report_id).where(
            BillingReport.customer_id == owner.customer_id, BillingReport.period == period.start
        )
    )
    if report_id is None:
        raise NotFound(f"customer {customer!r} has no final report of {period}")
    if owner.billing_email is None:
        raise Conflict(
            f"customer {customer!r} has no billing email",
            [FieldError("/billing_email", "no_billing_email", "is needed to send a statement")],
        )
    of_recipient = (
        Delivery.customer_id == owner.customer_id,
        Delivery.report_id == report_id,
        Delivery.recipient == owner.billing_email,
    )
    if session.scalar(
        select(func.count()).where(*of_recipient, Delivery.status == MailStatus.PENDING)
    ):
        raise Conflict(
            "a delivery to this recipient waits already",
            [FieldError("", "delivery_pending", "wait until it is sent or has failed")],
        )
    last = session.scalar(select(func.max(Delivery.delivery_number)).where(*of_recipient)) or 0
    delivery = session.scalars(
        insert(Delivery)
        .values(
            customer_id=owner.customer_id,
            report_id=report_id,
            recipient=owner.billing_email,
            delivery_number=last + 1,
        )
        .returning(Delivery)
    ).one()
    after = {
        "customer_id": owner.external_id,
        "period": str(period),
        "recipient": owner.billing_email,
    }
    record_change(session, "sent again", "report", report_id, after=after)
    return delivery


def _announce(
    session: Session, customer_id: UUID, report_id: UUID, number: int, status: MailStatus
) -> None:
    report = session.execute(
        select(Customer.external_id, BillingReport.period)
        .join(Customer, Customer.customer_id == BillingReport.customer_id)
        .where(BillingReport.customer_id == customer_id, BillingReport.report_id == report_id)
    ).one()
    data = {
        "customer_id": report.external_id,
        "period": str(Period(report.period)),
        "report_id": report_id,
        "delivery_number": number,
        "status": status.value,
    }
    announce(session, customer_id, EventType.REPORT_DELIVERED, data)


def _note(
    session: Session,
    taken: TakenDelivery,
    status: MailStatus,
    *,
    provider_id: str | None = None,
    detail: str | None = None,
    wait_seconds: int = 0,
) -> bool:
    noted = session.execute(
        _NOTE_ATTEMPT,
        {
            "customer_id": str(taken.customer_id),
            "report_id": str(taken.report_id),
            "recipient": taken.recipient,
            "delivery_number": taken.delivery_number,
            "attempts": taken.attempts,
            "status": status.value,
            "provider_id": provider_id,
            "detail": detail and detail[:_MAX_DETAIL_LENGTH],
            "wait_seconds": wait_seconds,
        },
    )
    return noted.first() is not None
