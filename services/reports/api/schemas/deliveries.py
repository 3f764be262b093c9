"""Deliveries of a final report by mail."""

from datetime import datetime

from pydantic import Field

from common.enums import MailStatus
from services.reports.api.schemas.answer import Answer


class StatementDelivery(Answer):
    """A mail with a statement, to one recipient."""

    recipient: str = Field(description="The billing email when it was asked for.")
    delivery_number: int = Field(description="1: closing asked for it; else sent again.")
    status: MailStatus
    attempts: int = Field(description="How often sending was tried.")
    detail: str | None = Field(description="Why it was not sent or not taken.")
    created_at: datetime
    sent_at: datetime | None = Field(description="When the mail server took it.")


class StatementDeliveryList(Answer):
    """All mails of a final report, the newest first."""

    data: list[StatementDelivery]
