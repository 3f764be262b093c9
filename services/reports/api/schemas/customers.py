"""Customers, and what was erased of their users."""

import re
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from common.leads.schemas import MAX_USER_TEXT_LENGTH
from common.normalization import email_key
from common.request_model import NO_NUL, Name, RequestModel
from services.reports.api.dependencies import Text
from services.reports.api.schemas.answer import Answer, Page, of

MAX_PAYMENT_TERMS_DAYS = 365
# One address in ASCII, its domain by labels: nothing in it could end a header or begin another.
_MAIL_ADDRESS = re.compile(
    r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}"
)
_MAX_ADDRESS_LINES = 8


def _trimmed_lines(text: str) -> str:
    lines = [line.strip() for line in text.strip().splitlines()]
    if len(lines) > _MAX_ADDRESS_LINES:
        raise PydanticCustomError("too_many_lines", "has at most 8 lines")
    if not all(line.isprintable() for line in lines):
        raise PydanticCustomError("not_printable", "has characters that cannot be printed")
    return "\n".join(lines)


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise PydanticCustomError("not_printable", "is one line of printable characters")
    return text


def _mail_address(text: str) -> str:
    """An address that a mail can be sent to, as it is compared; no header can be made of it."""
    if not text:
        return text
    address = email_key(text)
    if address is None or not _MAIL_ADDRESS.fullmatch(address):
        raise PydanticCustomError("invalid_email", "must be one email address, such as a@b.example")
    return address


_Email = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        max_length=MAX_USER_TEXT_LENGTH,
        pattern=r"^[^@\s\x00]+@[^@\s\x00]+$",
    ),
]
_TimeZone = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=NO_NUL)]

_Region = Annotated[str, StringConstraints(to_upper=True, pattern=r"^[A-Za-z]{2}$")]


_Address = Annotated[
    str,
    StringConstraints(max_length=500, pattern=NO_NUL),
    AfterValidator(_trimmed_lines),
]
_TaxId = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=64), AfterValidator(_one_line)
]
_BillingEmail = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=MAX_USER_TEXT_LENGTH),
    AfterValidator(_mail_address),
]


class CustomerBody(RequestModel):
    """A customer to register or to change."""

    name: Name
    email: _Email
    timezone: _TimeZone | None = None
    phone_region: Annotated[
        _Region | None,
        Field(description="The country whose national phone numbers it sends (ISO 3166)."),
    ] = None
    billing_address: Annotated[
        _Address | None,
        Field(description="As statements show it: up to 8 lines. Empty: takes it away."),
    ] = None
    tax_id: Annotated[
        _TaxId | None, Field(description="Its tax or VAT id. Empty: takes it away.")
    ] = None
    payment_terms_days: Annotated[
        int | None,
        Field(
            ge=0,
            le=MAX_PAYMENT_TERMS_DAYS,
            description="How many days after its issue date a statement is due; 30 unless given.",
        ),
    ] = None
    billing_email: Annotated[
        _BillingEmail | None,
        Field(description="Where its statements are sent. Empty: takes it away."),
    ] = None


class ErasureBody(RequestModel):
    """The user to erase."""

    user: Annotated[Text, Field(description="Email, phone number, external id or user key.")]


class Customer(Answer):
    """A partner that is billed."""

    customer_id: str = of("external_id")
    name: str
    email: str
    timezone: str
    phone_region: str | None
    billing_address: str | None
    tax_id: str | None
    payment_terms_days: int
    billing_email: str | None
    created_at: datetime


class CustomerList(Page[Customer]):
    """A page of customers, by id."""


class Erasure(Answer):
    """From how many leads a user was erased."""

    leads: int
    quarantined_leads: int
