"""Customers, and what was erased of their users."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, StringConstraints

from common.catalog import models
from common.leads import erasure
from common.leads.schemas import MAX_USER_TEXT_LENGTH
from common.request_model import NO_NUL, Name, RequestModel
from services.reports.api.dependencies import Text
from services.reports.api.schemas.answer import Answer, Page

_Email = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        max_length=MAX_USER_TEXT_LENGTH,
        pattern=r"^[^@\s\x00]+@[^@\s\x00]+$",
    ),
]
_TimeZone = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=NO_NUL)]


class CustomerBody(RequestModel):
    """A customer to register or to change."""

    name: Name
    email: _Email
    timezone: _TimeZone | None = None


class ErasureBody(RequestModel):
    """Whom to erase."""

    user: Annotated[Text, Field(description="Email, phone number, external id or user key.")]


class Customer(Answer):
    """A partner that is billed."""

    customer_id: str
    name: str
    email: str
    timezone: str
    created_at: datetime

    @classmethod
    def from_stored(cls, stored: models.Customer) -> "Customer":
        return cls(
            customer_id=stored.external_id,
            name=stored.name,
            email=stored.email,
            timezone=stored.timezone,
            created_at=stored.created_at,
        )


class CustomerList(Page[Customer]):
    """A page of customers, by id."""


class Erasure(Answer):
    """From how many leads a user was erased."""

    leads: int
    quarantined_leads: int

    @classmethod
    def from_erased(cls, erased: erasure.Erased) -> "Erasure":
        return cls(leads=erased.leads, quarantined_leads=erased.quarantined_leads)
