"""Quarantine: leads of an unknown customer or product, kept whole until a replay stores them."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, tuple_, update
from sqlalchemy.orm import Session

from common.audit_log import record_change
from common.database.locks import share_customer
from common.leads.ingestion import ingest_leads
from common.leads.models import QuarantinedLead
from common.leads.parsing import validate_lead
from common.leads.results import Result, summary
from common.problems import Conflict, NotFound
from common.settings import Settings


class QuarantineKey(NamedTuple):
    """The position of a quarantined lead in the list, for a cursor."""

    received_at: datetime
    quarantine_id: UUID


class Cause(NamedTuple):
    """Why a lead is in quarantine: the reason, and the id of what is not registered."""

    reason: str
    missing_id: str


class HeldBack(NamedTuple):
    """How many leads wait for one cause, and since when."""

    cause: Cause
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
    return [
        HeldBack(Cause(row.reason, row.missing_id), row.leads, row.since)
        for row in session.execute(query)
    ]


def quarantined_leads(
    session: Session, after: QuarantineKey | None, most: int, cause: Cause | None = None
) -> list[QuarantinedLead]:
    """At most `most` leads that wait for a replay, newest first, after `after`."""
    query = (
        select(QuarantinedLead)
        .where(QuarantinedLead.replayed_at.is_(None), *_held_by(cause))
        .order_by(QuarantinedLead.received_at.desc(), QuarantinedLead.quarantine_id.desc())
        .limit(most)
    )
    if after is not None:
        place = tuple_(QuarantinedLead.received_at, QuarantinedLead.quarantine_id)
        query = query.where(place < tuple_(*after))
    return list(session.scalars(query))


def _held_by(cause: Cause | None) -> list[ColumnElement[bool]]:
    if cause is None:
        return []
    return [QuarantinedLead.reason == cause.reason, cause.missing_id == _MISSING_ID]


def replay(session: Session, quarantine_id: UUID, settings: Settings, now: datetime) -> Result:
    """Takes a quarantined lead in again, now that its customer and product may be known.

    Raises NotFound when there is no such entry, and Conflict when the lead still cannot be stored:
    it then stays in quarantine.
    """
    customer_id = session.scalar(
        select(QuarantinedLead.customer_id).where(QuarantinedLead.quarantine_id == quarantine_id)
    )
    if customer_id is None:
        raise NotFound(f"no lead is quarantined under {quarantine_id}")
    # Before the entry's own lock: erasing a user takes the two in this order.
    share_customer(session, customer_id)
    held = session.get_one(QuarantinedLead, (customer_id, quarantine_id), with_for_update=True)
    lead = validate_lead(held.lead, now)
    if isinstance(lead, list):
        raise Conflict("the quarantined lead is no longer valid", lead)
    erased = held.user_key if lead.user is None else None
    (result,) = ingest_leads(session, {0: lead}, settings, erased)
    if erased is not None:
        result.warnings.clear()
    if not result.status.is_stored:
        raise Conflict(
            "the lead still cannot be stored and stays in quarantine",
            result.errors,
            extra=summary([result], is_array=False),
        )
    before = {"lead_id": held.lead_id, "reason": held.reason, "replayed_at": held.replayed_at}
    replayed_at = session.scalar(
        update(QuarantinedLead)
        .where(
            QuarantinedLead.customer_id == customer_id,
            QuarantinedLead.quarantine_id == quarantine_id,
        )
        .values(replayed_at=func.now())
        .returning(QuarantinedLead.replayed_at)
    )
    after = before | {"replayed_at": replayed_at}
    record_change(
        session, "replayed", "quarantined_lead", quarantine_id, before=before, after=after
    )
    return result
