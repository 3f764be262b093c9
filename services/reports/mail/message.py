"""The mail that brings a statement: text and HTML in plain English, and the PDF.

Invariant: what customers and leads sent reaches a header only as one printable line.
"""

import uuid
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import NamedTuple

from common.money import CURRENCY
from common.reports.model import Report
from services.reports.render.formatting import money, report_path
from services.reports.render.templates import environment

_MAX_SUBJECT_LENGTH = 150


class Sender(NamedTuple):
    """Whom the mail is from, and the public address of the service for links, if it has one."""

    name: str
    address: str
    public_url: str


def statement_mail(
    report: Report,
    pdf: bytes | None,
    recipient: str,
    sender: Sender,
    *,
    asked_at: datetime,
    key: str,
) -> EmailMessage:
    """The mail of a final report. Without `pdf`, it links to it.

    `key` names the delivery: the mail has the same Message-ID however often it is tried.
    """
    details = report.details
    number = one_line(details.number or report.report_id)
    mail = EmailMessage(policy=SMTP)
    subject = f"{details.title} {number} for {report.period.name} from {report.issuer}"
    mail["Subject"] = one_line(subject)[:_MAX_SUBJECT_LENGTH]
    mail["From"] = str(Address(one_line(sender.name), addr_spec=sender.address))
    mail["To"] = str(Address(addr_spec=recipient))
    mail["Date"] = format_datetime(asked_at)
    domain = sender.address.rpartition("@")[2]
    mail["Message-ID"] = (
        f"<{uuid.uuid5(uuid.NAMESPACE_URL, f'urn:lead-billing:mail:{key}')}@{domain}>"
    )
    mail["Auto-Submitted"] = "auto-generated"
    link = None
    if sender.public_url:
        path = report_path(report.customer_id, report.period)
        link = f"{sender.public_url.rstrip('/')}{path}.html"
    values = {
        "report": report,
        "details": details,
        "number": number,
        "due": f"{CURRENCY} {money(report.due_cents)}",
        "is_attached": pdf is not None,
        "link": link,
    }
    templates = environment()
    mail.set_content(templates.get_template("mail_statement.txt").render(values))
    mail.add_alternative(templates.get_template("mail_statement.html").render(values), "html")
    if pdf is not None:
        safe = "".join(sign if sign.isascii() and sign.isalnum() else "-" for sign in number)
        name = f"{details.title.lower()}-{safe}.pdf"
        mail.add_attachment(pdf, maintype="application", subtype="pdf", filename=name)
    return mail


def one_line(text: str) -> str:
    """The text without anything that ends a line or does not print."""
    return "".join(sign if sign.isprintable() else " " for sign in text).strip()
