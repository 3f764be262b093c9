"""Replay: quarantined leads are ingested in their order of arrival, a bounded piece at a time.

Invariant: of the versions of one lead that wait, the first that can be stored is stored first,
whichever of them a replay is about; the others are then judged as a live lead would be.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, tuple_, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from common.audit_log import record_changes
from common.catalog.models import Customer, Product
from common.database.locks import share_customers
from common.leads.ingestion import UNKNOWN, ingest_leads
from common.leads.models import QuarantinedLead
from common.leads.parsing import validate_lead
from common.leads.quarantine import (
    ARRIVAL,
    QuarantineFilter,
    QuarantineKey,
    arrived_after,
    count_quarantined,
    get_quarantined,
    waiting,
)
from common.leads.results import STORED, Result, Status, summary
from common.leads.schemas import KeyedLead, with_keys
from common.problems import Conflict, NotFound
from common.settings import Settings

MAX_LEADS_AT_ONCE = 500
# A piece ends before it holds more, so that it is answered within a gateway's 30 seconds.
MAX_ACTIONS_AT_ONCE = 20_000

_KEY = (QuarantinedLead.customer_id, QuarantinedLead.quarantine_id)


@dataclass(frozen=True, slots=True)
class Replayed:
    """A quarantined lead that was replayed, and what became of it."""

    held: QuarantinedLead
    result: Result


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a replay. `next_key`: where the next piece begins; `remaining`: leads behind."""

    replayed: list[Replayed]
    next_key: QuarantineKey | None
    remaining: int


def replay_piece(
    session: Session,
    filters: QuarantineFilter,
    settings: Settings,
    now: datetime,
    *,
    after: QuarantineKey | None = None,
    limit: int = MAX_LEADS_AT_ONCE,
) -> Piece:
    """Replays the first leads of a filter that arrived after `after`, at most `limit`.

    An earlier version of one of these leads is replayed with it, also where the filter leaves it
    out. Leads that still cannot be stored stay in quarantine.
    """
    rows = session.execute(
        select(
            QuarantinedLead.customer_id,
            QuarantinedLead.lead_id,
            *ARRIVAL,
            func.jsonb_array_length(QuarantinedLead.lead["actions"]),
        )
        .where(*waiting(filters), *arrived_after(after))
        .order_by(*ARRIVAL)
        .limit(limit)
    )
    asked: dict[tuple[UUID, UUID], UUID] = {}
    last, actions = after, 0
    for customer_id, lead_id, *arrival, count in rows:
        actions += count
        if asked and actions > MAX_ACTIONS_AT_ONCE:
            break
        last = QuarantineKey(*arrival)
        asked[customer_id, last.quarantine_id] = lead_id
    replayed = _replay(session, asked, settings, now)
    remaining = count_quarantined(session, filters, last) if asked else 0
    return Piece(replayed, last if remaining else None, remaining)


def replay_one(session: Session, quarantine_id: UUID, settings: Settings, now: datetime) -> Result:
    """Replays one lead, behind an earlier version of it that waits. Raises NotFound."""
    held = get_quarantined(session, quarantine_id)
    asked = {(held.customer_id, quarantine_id): held.lead_id}
    session.expunge(held)
    for each in _replay(session, asked, settings, now):
        if each.held.quarantine_id == quarantine_id:
            return replace(each.result, index=0)
    raise NotFound(f"no lead is quarantined under {quarantine_id}")  # dismissed meanwhile


def require_stored(result: Result) -> None:
    """Raises Conflict for a lead that stays in quarantine."""
    if result.status not in STORED:
        raise Conflict(
            "the lead still cannot be stored and stays in quarantine",
            result.errors,
            extra=summary([result], is_array=False),
        )


def _replay(
    session: Session,
    asked: Mapping[tuple[UUID, UUID], UUID],
    settings: Settings,
    now: datetime,
) -> list[Replayed]:
    """Replays the leads of these keys, in order of arrival. `asked` holds their lead's UUIDs."""
    if not asked:
        return []
    # Before any entry's own lock: erasing a user takes the two in this order.
    share_customers(session, {customer_id for customer_id, _ in asked})
    earliest = _first_that_can_be_stored(session, asked)
    entries = session.scalars(
        select(QuarantinedLead)
        .where(tuple_(*_KEY).in_({*asked, *earliest}))
        .order_by(*ARRIVAL)
        .with_for_update()
    ).all()
    missing = _missing(session, entries)
    leads: dict[int, KeyedLead] = {}
    erased = set()
    results: dict[int, Result] = {}
    for place, held in enumerate(entries):
        lead = validate_lead(held.lead, now)
        if isinstance(lead, list):
            results[place] = Result(place, held.lead["lead_id"], Status.INVALID, errors=lead)
        elif missing[place]:
            errors = [UNKNOWN[name] for name in missing[place]]
            results[place] = Result(place, lead.lead_id, Status.QUARANTINED, errors=errors)
        else:
            leads[place] = with_keys(lead, settings, held.user_key if lead.user is None else None)
            if lead.user is None and held.user_key is not None:
                erased.add(place)
    for result in ingest_leads(session.connection(), leads, settings):
        results[result.index] = result
        if result.index in erased:
            result.warnings.clear()
    replayed = [Replayed(held, results[place]) for place, held in enumerate(entries)]
    _note(session, [each for each in replayed if each.held.replayed_at is None])
    return replayed


def _first_that_can_be_stored(
    session: Session, asked: Mapping[tuple[UUID, UUID], UUID]
) -> list[tuple[UUID, UUID]]:
    """Of each lead the waiting version that arrived first, among those that lack nothing now."""
    lead_of = (QuarantinedLead.customer_id, QuarantinedLead.lead_id)
    query = (
        select(*_KEY)
        .ext(distinct_on(*lead_of))
        .join(Customer, Customer.customer_id == QuarantinedLead.customer_id)
        .join(Product, Product.product_id == QuarantinedLead.product_id)
        .where(
            QuarantinedLead.replayed_at.is_(None),
            tuple_(*lead_of).in_({(key[0], lead_id) for key, lead_id in asked.items()}),
        )
        .order_by(*lead_of, *ARRIVAL)
    )
    return [(row.customer_id, row.quarantine_id) for row in session.execute(query)]


def _missing(session: Session, entries: Sequence[QuarantinedLead]) -> list[list[str]]:
    """For each lead, `customer_id` and `product_id` where no such one is registered."""
    customers = select(Customer.customer_id).where(
        Customer.customer_id.in_({held.customer_id for held in entries})
    )
    products = select(Product.product_id).where(
        Product.product_id.in_({held.product_id for held in entries})
    )
    known = {*session.scalars(customers), *session.scalars(products)}
    return [
        [name for name in ("customer_id", "product_id") if getattr(held, name) not in known]
        for held in entries
    ]


def _note(session: Session, replayed: Iterable[Replayed]) -> None:
    """Marks the leads that were stored, and says of the others why they were not."""
    stored = []
    kept: dict[str, list[QuarantinedLead]] = {}
    for each in replayed:
        if each.result.status in STORED:
            stored.append(each.held)
        else:
            kept.setdefault(_reason(each.result), []).append(each.held)
    for reason, entries in kept.items():
        _set(session, entries, reason=reason)
    if not stored:
        return
    replayed_at = session.scalars(select(func.now())).one()
    _set(session, stored, replayed_at=replayed_at)
    changes = []
    for held in stored:
        before = {"lead_id": held.lead_id, "reason": held.reason, "replayed_at": None}
        changes.append((held.quarantine_id, before, before | {"replayed_at": replayed_at}))
    record_changes(session, "replayed", "quarantined_lead", changes)


def _set(session: Session, entries: Iterable[QuarantinedLead], **values: object) -> None:
    keys = [(held.customer_id, held.quarantine_id) for held in entries]
    session.execute(
        update(QuarantinedLead).where(tuple_(*_KEY).in_(keys)).values(**values),
        execution_options={"synchronize_session": False},
    )


def _reason(result: Result) -> str:
    """Why a lead stays: the code of what is missing, `conflict` or `invalid`."""
    if result.status is Status.QUARANTINED:
        return result.errors[0].code
    return result.status.value
