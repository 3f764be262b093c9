"""Quarantine: leads of an unknown customer or product, kept whole until they are replayed.

Invariant: one order of arrival, and every list is that order or its reverse.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select, tuple_
from sqlalchemy.orm import Session

from common import identifiers
from common.audit_log import record_changes
from common.leads.models import QuarantinedLead
from common.problems import Conflict, Invalid, NotFound

ARRIVAL = (
    QuarantinedLead.received_at,
    QuarantinedLead.position,
    QuarantinedLead.quarantine_id,
)


class QuarantineKey(NamedTuple):
    """The position of a quarantined lead in the order of arrival, for a cursor."""

    received_at: datetime
    position: int
    quarantine_id: UUID


# So that a call is answered within a gateway's 30 seconds.
MAX_DISMISSED_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class QuarantineFilter:
    """Which quarantined leads are wanted; a filter that is None is left out.

    A customer or product may be one that nobody has registered.
    """

    customer_id: str | None = None
    product_id: str | None = None
    lead_id: str | None = None
    reason: str | None = None


class HeldBack(NamedTuple):
    """How many leads wait for one reason, and since when.

    `missing_id`: of the customer or product that is not registered; None for other reasons.
    """

    reason: str
    missing_id: str | None
    leads: int
    since: datetime


# The lead as it was sent names what it lacks: unknown_customer is about its customer_id.
_MISSING_ID = QuarantinedLead.lead[
    func.concat(func.replace(QuarantinedLead.reason, "unknown_", ""), "_id")
].astext


def quarantine_causes(session: Session) -> list[HeldBack]:
    """What leads wait for, the most awaited first."""
    query = (
        select(
            QuarantinedLead.reason,
            _MISSING_ID.label("missing_id"),
            func.count().label("leads"),
            func.min(QuarantinedLead.received_at).label("since"),
        )
        .where(QuarantinedLead.replayed_at.is_(None))
        .group_by("reason", "missing_id")
        .order_by(func.count().desc(), "reason", "missing_id")
    )
    return [HeldBack(*row) for row in session.execute(query)]


def waiting(filters: QuarantineFilter) -> list[ColumnElement[bool]]:
    """The conditions of a filter, on leads that wait for a replay."""
    conditions: list[ColumnElement[bool]] = [QuarantinedLead.replayed_at.is_(None)]
    if filters.customer_id is not None:
        conditions.append(
            QuarantinedLead.customer_id == identifiers.customer_id(filters.customer_id)
        )
    if filters.product_id is not None:
        conditions.append(QuarantinedLead.product_id == identifiers.product_id(filters.product_id))
    if filters.lead_id is not None:
        conditions.append(QuarantinedLead.lead["lead_id"].astext == filters.lead_id)
    if filters.reason is not None:
        conditions.append(QuarantinedLead.reason == filters.reason)
    return conditions


def arrived_after(key: QuarantineKey | None) -> list[ColumnElement[bool]]:
    return [] if key is None else [tuple_(*ARRIVAL) > tuple_(*key)]


def count_quarantined(
    session: Session, filters: QuarantineFilter, after: QuarantineKey | None = None
) -> int:
    """How many leads wait, of those that arrived after `after`."""
    query = select(func.count()).select_from(QuarantinedLead)
    return session.scalar(query.where(*waiting(filters), *arrived_after(after))) or 0


def quarantined_leads(
    session: Session, filters: QuarantineFilter, after: QuarantineKey | None, limit: int
) -> list[QuarantinedLead]:
    """At most `limit` leads that wait for a replay, newest first, after `after`."""
    query = (
        select(QuarantinedLead)
        .where(*waiting(filters))
        .order_by(*(column.desc() for column in ARRIVAL))
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(*ARRIVAL) < tuple_(*after))
    return list(session.scalars(query))


def get_quarantined(session: Session, quarantine_id: UUID) -> QuarantinedLead:
    """The quarantined lead of that id, whether it waits or was replayed. Raises NotFound."""
    query = select(QuarantinedLead).where(QuarantinedLead.quarantine_id == quarantine_id)
    held = session.scalars(query).first()
    if held is None:
        raise NotFound(f"no lead is quarantined under {quarantine_id}")
    return held


def dismiss(session: Session, quarantine_id: UUID) -> None:
    """Deletes a lead that waits, for good. Sent again, it is treated as a new lead.

    Raises NotFound, and Conflict when it was replayed meanwhile.
    """
    query = select(QuarantinedLead).where(QuarantinedLead.quarantine_id == quarantine_id)
    held = session.scalars(query.with_for_update()).first()
    if held is None:
        raise NotFound(f"no lead is quarantined under {quarantine_id}")
    if held.replayed_at is not None:
        raise Conflict("the lead was stored by a replay, so nothing is left to dismiss")
    _dismiss(session, [held])


def dismiss_matching(
    session: Session, filters: QuarantineFilter, limit: int = MAX_DISMISSED_AT_ONCE
) -> int:
    """Deletes the first leads of a filter that wait, for good; returns how many.

    Raises Invalid without a filter, so that nobody empties the quarantine by mistake.
    """
    if filters == QuarantineFilter():
        raise Invalid("name which leads to dismiss: at least one filter is needed")
    query = (
        select(QuarantinedLead)
        .where(*waiting(filters))
        .order_by(*ARRIVAL)
        .limit(limit)
        .with_for_update()
    )
    held = session.scalars(query).all()
    if held:
        _dismiss(session, held)
    return len(held)


def _dismiss(session: Session, held: Sequence[QuarantinedLead]) -> None:
    keys = [(each.customer_id, each.quarantine_id) for each in held]
    key = tuple_(QuarantinedLead.customer_id, QuarantinedLead.quarantine_id)
    session.execute(
        delete(QuarantinedLead).where(key.in_(keys)),
        execution_options={"synchronize_session": False},
    )
    record_changes(
        session,
        "dismissed",
        "quarantined_lead",
        [(each.quarantine_id, _without_person(each), None) for each in held],
    )


def _without_person(held: QuarantinedLead) -> dict[str, object]:
    """What the audit log keeps of a lead that is dismissed."""
    kept = {name: value for name, value in held.lead.items() if name not in {"user", "actions"}}
    return kept | {
        "actions": len(held.lead["actions"]),
        "reason": held.reason,
        "received_at": held.received_at,
    }
