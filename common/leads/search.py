"""Finding stored leads.

Invariant: newest first; the next page neither repeats nor skips a lead that was stored when the
first page was read.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Date,
    exists,
    func,
    literal,
    select,
    tuple_,
)
from sqlalchemy.orm import Session

from common import identifiers
from common.catalog.models import Customer
from common.enums import EngagementLevel
from common.leads.models import Action, Lead
from common.problems import NotFound


@dataclass(frozen=True, slots=True)
class LeadFilter:
    """Which leads are wanted; what is None does not narrow.

    `user` is an email, phone, external id or user key. `start` and `end` are about created_at:
    instants, or bare dates that mean midnight in the customer's zone; `end` is exclusive.
    """

    customer_id: str | None = None
    product_id: str | None = None
    lead_type: str | None = None
    user: str | None = None
    engagement_level: EngagementLevel | None = None
    action_type: str | None = None
    has_user: bool | None = None
    start: date | datetime | None = None
    end: date | datetime | None = None


class LeadKey(NamedTuple):
    """Where a lead stands in the list."""

    created_at: datetime
    lead_id: UUID


@dataclass(frozen=True, slots=True)
class FoundLead:
    """A stored lead with its actions, in the order they happened."""

    lead: Lead
    actions: list[Action]


def find_leads(
    connection: Connection, wanted: LeadFilter, secret: bytes, after: LeadKey | None, most: int
) -> list[FoundLead]:
    """At most `most` leads, newest first, from behind `after` on. `secret`: the user hash key."""
    query = (
        select(Lead)
        .where(*_conditions(connection, wanted, secret))
        .order_by(Lead.created_at.desc(), Lead.lead_id.desc())
        .limit(most)
    )
    if after is not None:
        query = query.where(tuple_(Lead.created_at, Lead.lead_id) < tuple_(*after))
    return _with_actions(connection, Session(connection).scalars(query))


def get_lead(connection: Connection, external_id: str) -> FoundLead:
    """The lead of that id, in the caller's form or ours. Raises NotFound."""
    lead = Session(connection).get(Lead, identifiers.lead_id(external_id))
    if lead is None:
        raise NotFound(f"no lead {external_id!r} is stored")
    return _with_actions(connection, [lead])[0]


def _with_actions(connection: Connection, leads: Iterable[Lead]) -> list[FoundLead]:
    found = {lead.lead_id: FoundLead(lead, []) for lead in leads}
    query = (
        select(Action)
        .where(Action.lead_id.in_(found))
        .order_by(Action.timestamp, Action.action_key, Action.engagement_level, Action.occurrence)
    )
    for action in Session(connection).scalars(query):
        found[action.lead_id].actions.append(action)
    return list(found.values())


def _conditions(
    connection: Connection, wanted: LeadFilter, secret: bytes
) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.customer_id is not None:
        conditions.append(Lead.customer_id == identifiers.customer_id(wanted.customer_id))
    if wanted.product_id is not None:
        conditions.append(Lead.product_id == identifiers.product_id(wanted.product_id))
    if wanted.lead_type is not None:
        conditions.append(Lead.lead_type == wanted.lead_type)
    if wanted.user is not None:
        conditions.append(Lead.user_key.in_(_user_keys(connection, wanted, secret)))
    if wanted.engagement_level is not None or wanted.action_type is not None:
        conditions.append(_has_action(wanted))
    if wanted.has_user is not None:
        conditions.append(Lead.has_user == wanted.has_user)
    if wanted.start is not None:
        conditions.append(Lead.created_at >= _moment(wanted.start))
    if wanted.end is not None:
        conditions.append(Lead.created_at < _moment(wanted.end))
    return conditions


def _has_action(wanted: LeadFilter) -> ColumnElement[bool]:
    action = exists().where(Action.lead_id == Lead.lead_id)
    if wanted.engagement_level is not None:
        action = action.where(Action.engagement_level == wanted.engagement_level)
    if wanted.action_type is not None:
        action = action.where(Action.action_key == identifiers.action_key(wanted.action_type))
    return action


def _user_keys(connection: Connection, wanted: LeadFilter, secret: bytes) -> list[UUID]:
    """The keys that person would have: one for each customer and kind of identity."""
    if wanted.customer_id is not None:
        customers: Iterable[UUID] = [identifiers.customer_id(wanted.customer_id)]
    else:
        customers = connection.scalars(select(Customer.customer_id))
    text = wanted.user or ""
    keys = [
        identifiers.user_key(secret, customer, kind, value)
        for customer in customers
        for kind, value in identifiers.identities(text).items()
    ]
    as_key = identifiers.canonical_uuid(text)
    return [*keys, as_key] if as_key else keys


def _moment(moment: date | datetime) -> ColumnElement[datetime]:
    if isinstance(moment, datetime):
        return literal(moment)
    zone = select(Customer.timezone).where(Customer.customer_id == Lead.customer_id)
    return func.local_midnight(literal(moment, Date), zone.scalar_subquery())
