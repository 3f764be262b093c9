"""Finding anything by what people know of it: a name, an id, an email, a number, or a part of it.

Invariant: who sees people masked finds a person by the whole email, phone number or id alone; else
parts of it could be tried until the rest is known.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Subquery, case, func, or_, select
from sqlalchemy.orm import Session

from common.catalog.models import Customer, Product
from common.database.transactions import sees_people
from common.final_reports.models import BillingReport
from common.identifiers import UserKind
from common.leads.masking import shown_user
from common.leads.models import Lead
from common.leads.search import LeadFilter, find_leads, leads_named
from common.normalization import reads_as_phone

# So many of the newest leads are searched for a part of a text; a whole one is found in all.
LEADS_SEARCHED = 50_000
FOUND_AT_MOST = 8  # of each kind
_EXACT_LEADS = 200
_MIN_DIGITS = 3


@dataclass(frozen=True, slots=True)
class FoundPerson:
    """A user of a customer, by the newest of the leads that were searched."""

    customer: str
    customer_name: str
    user_key: UUID
    name: str | None
    last_lead_at: datetime
    timezone: str


class FoundRecord(NamedTuple):
    """A customer or a product."""

    id: str
    name: str


class FoundReport(NamedTuple):
    """A final report, by its statement number."""

    customer: str
    customer_name: str
    period: date
    number: str


@dataclass(frozen=True, slots=True)
class Found:
    """What a text finds, the best of each kind first."""

    customers: list[FoundRecord]
    people: list[FoundPerson]
    leads: list[Lead]
    reports: list[FoundReport]
    products: list[FoundRecord]

    @property
    def count(self) -> int:
        return sum(
            len(group)
            for group in (self.customers, self.people, self.leads, self.reports, self.products)
        )


def find_anything(session: Session, words: str, secret: bytes) -> Found:
    """What a text is a name, an id or a number of, in upper or lower case, also in part.

    `secret`: the user hash key.
    """
    newest = _newest_leads()
    return Found(
        customers=_records(session, Customer, words, Customer.email),
        people=_people(session, newest, words, secret),
        leads=_leads(session, newest, words),
        reports=_reports(session, words),
        products=_records(session, Product, words),
    )


def _records(
    session: Session, kind: type[Customer] | type[Product], words: str, *more: Any
) -> list[FoundRecord]:
    query = (
        select(kind.external_id, kind.name)
        .where(or_(*(_holds(column, words) for column in (kind.external_id, kind.name, *more))))
        .order_by(_exact_first(kind.external_id, words), kind.name, kind.external_id)
        .limit(FOUND_AT_MOST)
    )
    return [FoundRecord(*row) for row in session.execute(query)]


def _newest_leads() -> Subquery:
    return (
        select(Lead).order_by(Lead.created_at.desc(), Lead.lead_id.desc()).limit(LEADS_SEARCHED)
    ).subquery("newest")


def _people(session: Session, newest: Subquery, words: str, secret: bytes) -> list[FoundPerson]:
    found: dict[tuple[UUID, UUID], FoundPerson] = {}
    of_person = LeadFilter(user=words)
    for lead in (each.lead for each in find_leads(session, of_person, secret, None, _EXACT_LEADS)):
        if lead.has_user:
            found.setdefault(
                (lead.customer_id, lead.user_key),
                FoundPerson(
                    lead.customer.external_id,
                    lead.customer.name,
                    lead.user_key,
                    lead.user_name,
                    lead.created_at,
                    lead.customer.timezone,
                ),
            )
    if sees_people() and len(found) < FOUND_AT_MOST:
        for row in session.execute(_people_in_part(newest, words)):
            person = FoundPerson(
                row.external_id,
                row.name,
                row.user_key,
                shown_user(row.user_name),
                row.last_lead_at,
                row.timezone,
            )
            found.setdefault((row.customer_id, row.user_key), person)
    return list(found.values())[:FOUND_AT_MOST]


def _people_in_part(newest: Subquery, words: str) -> Select[Any]:
    lead = newest.c
    name = case(
        (lead.known_by == UserKind.EMAIL, lead.user_email),
        (lead.known_by == UserKind.PHONE, lead.user_phone),
        else_=lead.user_external_id,
    )
    named = [_holds(lead.user_email, words), _holds(lead.user_external_id, words)]
    digits = "".join(filter(str.isdecimal, words)) if reads_as_phone(words) else ""
    if len(digits) >= _MIN_DIGITS:
        named.append(_holds(lead.user_phone, digits))
    return (
        select(
            lead.customer_id,
            lead.user_key,
            Customer.external_id,
            Customer.name,
            Customer.timezone,
            func.max(name).label("user_name"),
            func.max(lead.created_at).label("last_lead_at"),
        )
        .join(Customer, Customer.customer_id == lead.customer_id)
        .where(lead.has_user, or_(*named))
        .group_by(lead.customer_id, lead.user_key, Customer.customer_id)
        .order_by(func.max(lead.created_at).desc(), lead.user_key)
        .limit(FOUND_AT_MOST)
    )


def _leads(session: Session, newest: Subquery, words: str) -> list[Lead]:
    found = {lead.lead_id: lead for lead in leads_named(session, words)[:FOUND_AT_MOST]}
    in_part = (
        select(Lead)
        .join(
            newest,
            (newest.c.customer_id == Lead.customer_id) & (newest.c.lead_id == Lead.lead_id),
        )
        .where(_holds(newest.c.external_id, words))
        .order_by(Lead.created_at.desc(), Lead.lead_id.desc())
        .limit(FOUND_AT_MOST)
    )
    for lead in session.scalars(in_part):
        found.setdefault(lead.lead_id, lead)
    return list(found.values())[:FOUND_AT_MOST]


def _reports(session: Session, words: str) -> list[FoundReport]:
    query = (
        select(
            Customer.external_id,
            BillingReport.customer_name,
            BillingReport.period,
            BillingReport.number,
        )
        .join(Customer, Customer.customer_id == BillingReport.customer_id)
        .where(_holds(BillingReport.number, words))
        .order_by(
            _exact_first(BillingReport.number, words),
            BillingReport.period.desc(),
            BillingReport.number,
        )
        .limit(FOUND_AT_MOST)
    )
    return [FoundReport(*row) for row in session.execute(query)]


def _holds(column: Any, words: str) -> ColumnElement[bool]:
    """Whether a text holds the words; `_` and `%` in them are only themselves."""
    found: ColumnElement[bool] = column.icontains(words, autoescape=True)
    return found


def _exact_first(column: Any, words: str) -> ColumnElement[bool]:
    return func.lower(column) != words.lower()
