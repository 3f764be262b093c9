"""Customers: the partners we bill.

Invariant: registering a customer again under the same id changes it and never adds a second one.
"""

from functools import cache
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

import phonenumbers
from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session

from common import identifiers
from common.audit_log import record_change
from common.catalog.models import Customer
from common.catalog.rating_backlog import BEGINNING, append_customer
from common.database.locks import lock_customer
from common.database.sql_loader import load_statement
from common.normalization import email_key, email_text
from common.problems import Conflict, FieldError, Invalid, NotFound

_EMAIL_IS_UNIQUE = "uq_customers_email"


def get_customer(session: Session, external_id: str) -> Customer:
    """The customer of that id, as it was sent or as our UUID. Raises NotFound."""
    found = session.get(Customer, identifiers.customer_id(external_id))
    if found is None:
        raise NotFound(f"no customer {external_id!r} is registered")
    return found


def register_customer(
    session: Session,
    external_id: str,
    name: str,
    email: str,
    *,
    timezone: str | None = None,
    phone_region: str | None = None,
    billing_address: str | None = None,
    tax_id: str | None = None,
    payment_terms_days: int | None = None,
    billing_email: str | None = None,
) -> tuple[Customer, bool]:
    """Adds a customer or changes it; says whether it is new.

    A customer without `timezone` is billed in UTC, or stays in the zone it has. What else is left
    out stays as it is, too; an empty address, tax id or billing email takes the stored one away.

    Raises Invalid for an unknown zone or region, and Conflict when the email is another
    customer's, the zone is fixed by a final report or the region by a user who is known by phone
    (docs/billing-rules.md, Period, and docs/billing-rules.md, Usable values).
    """
    customer_id = identifiers.customer_id(external_id)
    if timezone is not None:
        _require_known_zone(session, timezone)
    if phone_region is not None and phone_region not in phonenumbers.SUPPORTED_REGIONS:
        raise Invalid(
            "the phone region is not known",
            [FieldError("/phone_region", "unknown_region", "must be an ISO 3166 code such as DE")],
        )
    # The lock makes the zone's check hold until we commit: closing takes the same one.
    lock_customer(session, customer_id)
    if timezone is not None and _has_fixed_zone(session, customer_id, timezone):
        raise Conflict(
            f"the time zone of customer {external_id!r} is fixed by its final reports",
            [FieldError("/timezone", "timezone_fixed", "cannot change any more")],
        )
    if phone_region is not None and _has_fixed_region(session, customer_id, phone_region):
        raise Conflict(
            f"the phone region of customer {external_id!r} is fixed by users known by phone",
            [FieldError("/phone_region", "phone_region_fixed", "cannot change any more")],
        )
    before = _audited(session.get(Customer, customer_id))
    optional = {"timezone": timezone, "phone_region": phone_region}
    values: dict[str, Any] = {"name": name, "email": email_key(email) or email_text(email)}
    values |= {column: value for column, value in optional.items() if value}
    billing = {
        "billing_address": billing_address,
        "tax_id": tax_id,
        "payment_terms_days": payment_terms_days,
        "billing_email": billing_email,
    }
    values |= {
        column: None if value == "" else value
        for column, value in billing.items()
        if value is not None
    }
    statement = (
        insert(Customer)
        .values(customer_id=customer_id, external_id=external_id, **values)
        .on_conflict_do_update(index_elements=[Customer.customer_id], set_=values)
        .returning(text("xmax = 0"))
    )
    try:
        is_new = session.execute(statement).scalar_one()
    except IntegrityError as error:
        if _EMAIL_IS_UNIQUE not in str(error.orig):
            raise
        raise Conflict(
            "another customer has that email",
            [FieldError("/email", "email_taken", "belongs to another customer")],
        ) from None
    stored = session.get_one(Customer, customer_id, populate_existing=True)
    if before is not None and before["timezone"] != stored.timezone:
        append_customer(session, customer_id, BEGINNING)
    action = "created" if is_new else "changed"
    record_change(
        session, action, "customer", stored.external_id, before=before, after=_audited(stored)
    )
    return stored, is_new


def _audited(customer: Customer | None) -> dict[str, Any] | None:
    if customer is None:
        return None
    columns = (
        "external_id",
        "name",
        "email",
        "timezone",
        "phone_region",
        "billing_address",
        "tax_id",
        "payment_terms_days",
        "billing_email",
    )
    return {column: getattr(customer, column) for column in columns}


def get_customer_for_update(session: Session, external_id: str) -> Customer | None:
    """The customer of that id, where there is one, held as it is until the transaction ends."""
    customer_id = identifiers.customer_id(external_id)
    lock_customer(session, customer_id)
    return session.get(Customer, customer_id)


def list_customers(session: Session, after: str | None, limit: int) -> list[Customer]:
    """At most `limit` customers by id, after `after`."""
    query = select(Customer).order_by(Customer.external_id).limit(limit)
    if after is not None:
        query = query.where(Customer.external_id > after)
    return list(session.scalars(query))


def _require_known_zone(session: Session, timezone: str) -> None:
    if timezone in _python_timezones() and _database_knows(session, timezone):
        return
    raise Invalid(
        "the time zone is not known",
        [FieldError("/timezone", "unknown_timezone", "must be an IANA name such as Europe/Berlin")],
    )


@cache
def _python_timezones() -> set[str]:
    """The names that Python knows, read once: each reading walks over hundreds of files."""
    return available_timezones()


def _database_knows(session: Session, timezone: str) -> bool:
    """Whether PostgreSQL can use the zone. Its view of all zones opens a file for each of them."""
    try:
        with session.begin_nested():
            session.execute(select(func.timezone(timezone, func.now())))
    except DataError:
        return False
    return True


def _has_fixed_region(session: Session, customer_id: UUID, phone_region: str) -> bool:
    """Whether it is another one, and somebody may be known by a national number already."""
    return bool(
        session.scalar(
            text(load_statement("catalog", "has_fixed_region")),
            {"customer_id": str(customer_id), "phone_region": phone_region},
        )
    )


def _has_fixed_zone(session: Session, customer_id: UUID, timezone: str) -> bool:
    other_zone = select(Customer).where(
        Customer.customer_id == customer_id,
        Customer.timezone != timezone,
        Customer.closed_through.is_not(None),
    )
    return session.execute(other_zone).first() is not None
