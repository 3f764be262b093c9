"""How statements are mailed (docs/delivery.md)."""

from enum import StrEnum

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings


class MailTransport(StrEnum):
    """How statements are sent (docs/delivery.md)."""

    OFF = "off"
    FOLDER = "folder"
    SMTP = "smtp"
    SES = "ses"


class MailSettings(BaseSettings):
    mail_transport: MailTransport = Field(
        default=MailTransport.OFF,
        description="How closing has statements sent to customers with a billing email: `off`, "
        "`ses`, `smtp`, or `folder`, which writes .eml files. `make run` and `make demo` set "
        "`folder`.",
    )
    mail_from: str = Field(
        default="billing@localhost.localdomain",
        pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+$",
        description="Address that statements are sent from; of an identity that SES knows.",
    )
    mail_folder: str = Field(default=".data/mail", description="Folder of the .eml files.")
    mail_attachment_max_bytes: int = Field(
        default=5_000_000,
        ge=0,
        le=20_000_000,
        description="A larger PDF is not attached; the mail links to it by `PUBLIC_URL`.",
    )
    mail_events_queue_url: str | None = Field(
        default=None,
        description="SQS queue of what SES tells of mails: deliveries, bounces, complaints.",
    )
    ses_configuration_set: str = Field(
        default="", description="SES configuration set that sends these notifications."
    )
    smtp_host: str = Field(default="localhost", description="SMTP server.")
    smtp_port: int = Field(default=587, ge=1, le=65535, description="Its port.")
    smtp_starttls: bool = Field(
        default=True, description="Whether to demand TLS of the SMTP server before anything else."
    )
    smtp_user: str = Field(default="", description="User at the SMTP server; none: no sign-in.")
    smtp_password: SecretStr = Field(default=SecretStr(""), description="That user's password.")
    public_url: str = Field(
        default="",
        pattern=r"^(https?://[^\s<>\"']+)?$",
        description="Address that people reach the service by, for links in mails.",
    )
