"""The ways that a mail leaves by: a folder, an SMTP server, or SES.

Invariant: a way gives the mail to whoever delivers it, or raises NotSent.
"""

import smtplib
import ssl
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from common.settings import MailTransport, Settings

_TIMEOUT_SECONDS = 30
# What SES says of the mail itself: sending it again would change nothing.
_REFUSED_BY_SES = {"MessageRejected", "BadRequestException", "ValidationException"}


class NotSent(Exception):
    """Why a mail was not taken; `is_final` if it never will be."""

    def __init__(self, reason: str, *, is_final: bool = False) -> None:
        super().__init__(reason)
        self.is_final = is_final


Send = Callable[[EmailMessage, Settings], str | None]


def send(mail: EmailMessage, known: Settings) -> str | None:
    """Sends by the configured way. Returns the mail service's id of it, if it gives one."""
    return _WAYS[known.mail_transport](mail, known)


def _to_folder(mail: EmailMessage, known: Settings) -> None:
    folder = Path(known.mail_folder)
    folder.mkdir(parents=True, exist_ok=True)
    name = mail["Message-ID"].strip("<>").partition("@")[0]
    part = folder / f".{name}.part"
    part.write_bytes(mail.as_bytes())
    part.replace(folder / f"{name}.eml")


def _by_smtp(mail: EmailMessage, known: Settings) -> None:
    try:
        with smtplib.SMTP(known.smtp_host, known.smtp_port, timeout=_TIMEOUT_SECONDS) as server:
            if known.smtp_starttls:
                server.starttls(context=ssl.create_default_context())
            if known.smtp_user:
                server.login(known.smtp_user, known.smtp_password.get_secret_value())
            server.send_message(mail)
    except smtplib.SMTPRecipientsRefused as error:
        ((code, reason),) = error.recipients.values()
        raise NotSent(_said(code, reason), is_final=code >= 500) from error
    except smtplib.SMTPAuthenticationError as error:
        raise NotSent("the SMTP server refuses our user") from error
    except smtplib.SMTPResponseException as error:
        raise NotSent(
            _said(error.smtp_code, error.smtp_error), is_final=error.smtp_code >= 500
        ) from error
    except (smtplib.SMTPException, OSError) as error:
        raise NotSent(f"the SMTP server was not reached: {error}") from error


def _said(code: int, reason: bytes | str) -> str:
    text = reason.decode(errors="replace") if isinstance(reason, bytes) else reason
    return f"the SMTP server said {code} {text}"


def _by_ses(mail: EmailMessage, known: Settings) -> str:
    patience = Config(
        connect_timeout=5, read_timeout=_TIMEOUT_SECONDS, retries={"total_max_attempts": 1}
    )
    client = boto3.client("sesv2", config=patience)
    request = {
        "FromEmailAddress": known.mail_from,
        "Destination": {"ToAddresses": [mail["To"]]},
        "Content": {"Raw": {"Data": mail.as_bytes()}},
    }
    if known.ses_configuration_set:
        request["ConfigurationSetName"] = known.ses_configuration_set
    try:
        return str(client.send_email(**request)["MessageId"])
    except ClientError as error:
        code = error.response["Error"]["Code"]
        raise NotSent(f"SES said {code}", is_final=code in _REFUSED_BY_SES) from error
    except BotoCoreError as error:
        raise NotSent(f"SES was not reached: {error}") from error


_WAYS: dict[MailTransport, Send] = {
    MailTransport.FOLDER: _to_folder,
    MailTransport.SMTP: _by_smtp,
    MailTransport.SES: _by_ses,
}
