"""Finding stored leads.

Invariant: newest first; the next page neither repeats nor skips a lead that was stored when the
first page was read.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Date, exists, func, literal, select, text, tuple_
from sqlalchemy.orm import Session

from common import identifiers
from common.billing_period import Period
from common.catalog.lead_types import lead_types_named
from common.catalog.models import Customer
from common.database.sql_loader import load_statement
from common.database.transactions import tenant
from common.enums import EngagementLevel
from common.leads.models import Action, Lead
from common.normalization import folded_label
from common.problems import Conflict, FieldError, NotFound


@dataclass(frozen=True, slots=True)
class LeadFilter:
    """Which leads to find; a filter that is None is left out.

    `user` is an email, phone, external id or user key. `start` and `end` are about created_at:
    instants, or bare dates that mean midnight in the customer's zone; `end` is exclusive.
    `active_in` is the billing period of an action.
    """

    customer_id: str | None = None
    product_id: str | None = None
    lead_type: str | None = None
    user: str | None = None
    engagement_level: EngagementLevel | None = None
    action_type: str | None = None
    has_user: bool | None = None
    is_in_doubt: bool | None = None
    start: date | datetime | None = None
    end: date | datetime | None = None
    active_in: Period | None = None


class LeadKey(NamedTuple):
    """The position of a lead in the list, for a cursor."""

    created_at: datetime
    lead_id: UUID


@dataclass(frozen=True, slots=True)
class FoundLead:
    """A stored lead with its actions, in the order they happened."""

    lead: Lead
    actions: list[Action]


def find_leads(
    session: Session, filters: LeadFilter, secret: bytes, after: LeadKey | None, limit: int
) -> list[FoundLead]:
    """At most `limit` leads, newest first, after `after`. `secret`: the user hash key."""
    query = (
        select(Lead)
        .where(*_conditions(session, filters, secret))
        .order_by(Lead.created_at.desc(), Lead.lead_id.desc())
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(Lead.created_at, Lead.lead_id) < tuple_(*after))
    return _with_actions(session, session.scalars(query))


def get_lead(session: Session, external_id: str, customer: str | None) -> Lead:
    """The lead of that id, as it was sent or as our UUID, of a customer.

    Without `customer`, it is the tenant's, or that of the only customer with such a lead. Raises
    NotFound, and Conflict where several customers have one.
    """
    lead = find_lead(session, external_id, customer, "/query/customer_id")
    if lead is None:
        raise NotFound(f"no lead {external_id!r} is stored")
    return lead


def find_lead(
    session: Session, external_id: str, customer: str | None, pointer: str
) -> Lead | None:
    """The lead with an id at a customer; None where there is none.

    `pointer` leads to where the request can name the customer.
    """
    owner = tenant() if customer is None else identifiers.customer_id(customer)
    if owner is not None:
        return _lead_of(session, owner, external_id)
    owners = _owners(session, external_id)
    if len(owners) > 1:
        raise Conflict(
            f"{len(owners)} customers have a lead {external_id!r}: name the customer",
            [FieldError(pointer, "ambiguous_lead_id", "is needed: several customers have it")],
        )
    return _lead_of(session, owners[0], external_id) if owners else None


def leads_named(session: Session, external_id: str) -> list[Lead]:
    """The lead of that id at each customer that has one: the tenant's, or anybody's."""
    owner = tenant()
    owners = _owners(session, external_id) if owner is None else [owner]
    return [lead for owner in owners if (lead := _lead_of(session, owner, external_id))]


def _lead_of(session: Session, customer_id: UUID, external_id: str) -> Lead | None:
    as_sent, *ours = identifiers.lead_ids(customer_id, external_id)
    query = (
        select(Lead)
        .where(Lead.customer_id == customer_id, Lead.lead_id.in_([as_sent, *ours]))
        .order_by(Lead.lead_id != as_sent)
        .limit(1)
    )
    return session.scalars(query).first()


_OWNERS = text(load_statement("leads", "owners_of_leads"))


def _owners(session: Session, external_id: str) -> list[UUID]:
    """The customers that have a lead of that id, which is another UUID for each."""
    named = [
        (str(customer), str(lead_id))
        for customer in session.scalars(select(Customer.customer_id))
        for lead_id in identifiers.lead_ids(customer, external_id)
    ]
    customers = [customer for customer, _ in named]
    lead_ids = [lead_id for _, lead_id in named]
    found = session.scalars(_OWNERS, {"customer_ids": customers, "lead_ids": lead_ids})
    return list(found)


def list_actions(session: Session, lead: Lead) -> list[Action]:
    """The actions of a lead, in the order they happened."""
    return _with_actions(session, [lead])[0].actions


def _with_actions(session: Session, leads: Iterable[Lead]) -> list[FoundLead]:
    found = {lead.lead_id: FoundLead(lead, []) for lead in leads}
    owners = {entry.lead.customer_id for entry in found.values()}
    query = (
        select(Action)
        .where(Action.customer_id.in_(owners), Action.lead_id.in_(found))
        .order_by(Action.timestamp, Action.action_key, Action.engagement_level, Action.occurrence)
    )
    for action in session.scalars(query):
        found[action.lead_id].actions.append(action)
    return list(found.values())


def _conditions(session: Session, filters: LeadFilter, secret: bytes) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if filters.customer_id is not None:
        conditions.append(Lead.customer_id == identifiers.customer_id(filters.customer_id))
    if filters.product_id is not None:
        conditions.append(Lead.product_id == identifiers.product_id(filters.product_id))
    if filters.lead_type is not None:
        named = lead_types_named(session, [filters.lead_type])
        conditions.append(Lead.lead_type == named.get(filters.lead_type))
    if filters.user is not None:
        keys = _user_keys(session, filters, secret)
        conditions.append(tuple_(Lead.customer_id, Lead.user_key).in_(keys))
    if filters.active_in is not None:
        conditions.append(_acted_in(filters.active_in))
    if filters.engagement_level is not None or filters.action_type is not None:
        conditions.append(_has_action(filters))
    if filters.is_in_doubt is not None:
        conditions.append((func.cardinality(Lead.unusable) > 0) == filters.is_in_doubt)
    if filters.has_user is not None:
        conditions.append(Lead.has_user == filters.has_user)
    if filters.start is not None:
        conditions.append(Lead.created_at >= _moment(filters.start))
    if filters.end is not None:
        conditions.append(Lead.created_at < _moment(filters.end))
    return conditions


def _acted_in(period: Period) -> ColumnElement[bool]:
    start = literal(period.start, Date)
    return exists().where(
        Customer.customer_id == Lead.customer_id,
        Action.customer_id == Lead.customer_id,
        Action.lead_id == Lead.lead_id,
        Action.timestamp >= func.local_midnight(start, Customer.timezone),
        Action.timestamp < func.period_end(start, Customer.timezone),
    )


def _has_action(filters: LeadFilter) -> ColumnElement[bool]:
    action = exists().where(Action.customer_id == Lead.customer_id, Action.lead_id == Lead.lead_id)
    if filters.engagement_level is not None:
        action = action.where(Action.engagement_level == filters.engagement_level)
    if filters.action_type is not None:
        action = action.where(Action.action_key == folded_label(filters.action_type))
    return action


def _user_keys(session: Session, filters: LeadFilter, secret: bytes) -> list[tuple[UUID, UUID]]:
    """The customers, each with the keys that person would have there."""
    query = select(Customer.customer_id, Customer.phone_region)
    if filters.customer_id is not None:
        customer_id = identifiers.customer_id(filters.customer_id)
        query = query.where(Customer.customer_id == customer_id)
    customers = session.execute(query).all()
    user = filters.user or ""
    keys = [
        (customer, identifiers.user_key(secret, customer, kind, value))
        for customer, region in customers
        for kind, value in identifiers.identities(user, region).items()
    ]
    as_key = identifiers.canonical_uuid(user)
    return keys + [(customer, as_key) for customer, _ in customers if as_key]


def _moment(moment: date | datetime) -> ColumnElement[datetime]:
    if isinstance(moment, datetime):
        return literal(moment)
    zone = select(Customer.timezone).where(Customer.customer_id == Lead.customer_id)
    return func.local_midnight(literal(moment, Date), zone.scalar_subquery())
