"""Exports as work: asked for by a caller, done by a worker under a lease, kept for some days.

Invariant: only the worker that holds the lease writes to an export, and a lease that ran out is
another worker's to take. An export is shown to keys of its customer, and to keys of none.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import func, or_, select, tuple_, update
from sqlalchemy.orm import Session

from common.access.authentication import Principal
from common.billing_period import Period
from common.catalog.models import Customer
from common.database.leases import LEASE, renewing
from common.database.transactions import acting_as, sees_people, transaction
from common.events.announce import announce
from common.events.event_types import EventType
from common.exports.kinds import (
    FORMATS_OF,
    ExportFormat,
    ExportKind,
)
from common.exports.models import Export
from common.problems import FieldError, Invalid, NotFound

FILES_ARE_KEPT = timedelta(days=7)
MAX_ATTEMPTS = 3
_EXPIRED_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class ExportOrder:
    """What to export: whose reports of which month, and as what."""

    kind: ExportKind
    format: ExportFormat | None
    period: date
    customers: Sequence[str] | None = None
    delimiter: str | None = None
    decimal_mark: str | None = None
    unmasked: bool = False
    content_hash: str | None = None

    def check(self) -> None:
        """Raises Invalid for a format that the kind has not, or an option that it has no use for.

        docs/exports.md, Formats.
        """
        errors = []
        formats = FORMATS_OF[self.kind]
        if self.format is None and formats:
            detail = f"is required; {self.kind} come as {', '.join(formats)}"
            errors.append(FieldError("/format", "missing_field", detail))
        elif self.format is not None and self.format not in formats:
            detail = f"{self.kind} come as {', '.join(formats)}, not as {self.format}"
            if not formats:
                detail = f"{self.kind} comes as a zip of JSON; leave the format out"
            errors.append(FieldError("/format", "unknown_combination", detail))
        if self.kind is ExportKind.REPORT and (self.customers is None or len(self.customers) != 1):
            detail = "names the one customer whose report it is"
            errors.append(FieldError("/customer_ids", "one_customer", detail))
        if self.format is not ExportFormat.CSV or self.kind is ExportKind.REPORT:
            errors += [
                FieldError(pointer, "not_for_this_format", "is for the format csv of tables only")
                for pointer, value in (
                    ("/delimiter", self.delimiter),
                    ("/decimal", self.decimal_mark),
                )
                if value is not None
            ]
        if errors:
            raise Invalid("this cannot be exported", errors)


def order_export(order: ExportOrder, principal: Principal) -> Export:
    """Puts an export into the queue. Raises Invalid, also for a customer that is not known."""
    order.check()
    with acting_as(principal.actor), transaction() as session:
        return add_export(session, order, principal)


def add_export(session: Session, order: ExportOrder, principal: Principal) -> Export:
    """The same in a transaction of the caller's."""
    customer_ids = None
    if order.customers is not None:
        customer_ids = _customers(session, order.customers, principal)
    new = Export(
        export_id=uuid4(),
        customer_id=principal.customer_id,
        created_by=principal.key_id,
        actor=principal.actor,
        kind=order.kind.value,
        format=order.format and order.format.value,
        period=order.period,
        customer_ids=customer_ids,
        delimiter=order.delimiter,
        decimal_mark=order.decimal_mark,
        unmasked=order.unmasked,
        content_hash=order.content_hash,
    )
    session.add(new)
    session.flush()
    session.refresh(new)
    return new


def _customers(session: Session, names: Sequence[str], principal: Principal) -> list[UUID]:
    query = select(Customer.external_id, Customer.customer_id).where(
        Customer.external_id.in_(names)
    )
    if principal.customer_id is not None:
        query = query.where(Customer.customer_id == principal.customer_id)
    known: dict[str, UUID] = {row.external_id: row.customer_id for row in session.execute(query)}
    errors = [
        FieldError(f"/customer_ids/{place}", "unknown_customer", f"no customer {name!r} is known")
        for place, name in enumerate(names)
        if name not in known
    ]
    if errors:
        raise Invalid("a customer is not known", errors)
    return list(known.values())


def get_export(session: Session, export_id: UUID) -> Export:
    """Raises NotFound, also for an export of another customer, or of people that are masked."""
    # The rows of another customer are hidden by the database (common/database/grants.py).
    export = session.get(Export, export_id)
    if export is None or (export.unmasked and not sees_people()):
        raise NotFound(f"there is no export {export_id}")
    return export


class ExportKey(NamedTuple):
    """The position of an export in the list, for a cursor."""

    created_at: datetime
    export_id: UUID


def list_exports(session: Session, after: ExportKey | None, limit: int) -> list[Export]:
    """The newest first."""
    query = select(Export).order_by(Export.created_at.desc(), Export.export_id.desc())
    if not sees_people():
        query = query.where(~Export.unmasked)
    if after is not None:
        query = query.where(tuple_(Export.created_at, Export.export_id) < after)
    return list(session.scalars(query.limit(limit)))


class Interrupted(Exception):
    """The worker must stop, or another one has the lease by now."""


@dataclass(slots=True)
class Progress:
    """How far the export at work is. `rows_total` is not known at first."""

    stopping: threading.Event
    rows_total: int | None = None
    rows_done: int = 0
    lost: threading.Event = field(default_factory=threading.Event)

    def add(self, rows: int) -> None:
        """Raises Interrupted."""
        self.rows_done += rows
        if self.stopping.is_set() or self.lost.is_set():
            raise Interrupted


def take_export() -> Export | None:
    """The export that waits longest, with a new lease; None where none waits."""
    with transaction() as session:
        export = session.scalars(
            select(Export)
            .where(
                Export.finished_at.is_(None),
                or_(Export.leased_until.is_(None), Export.leased_until < func.now()),
            )
            .order_by(Export.created_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        ).one_or_none()
        if export is None:
            return None
        changes = {
            "lease_id": uuid4(),
            "leased_until": func.now() + LEASE,
            "attempts": Export.attempts + 1,
            "rows_done": 0,
            "rows_total": None,
        }
        session.execute(
            update(Export).where(Export.export_id == export.export_id).values(**changes)
        )
        session.refresh(export)
        return export


@contextmanager
def keeping_lease(export: Export, stopping: threading.Event) -> Iterator[Progress]:
    """Renews the lease and notes the progress until the block ends."""
    progress = Progress(stopping)

    def renew() -> bool:
        return _write(
            export,
            leased_until=func.now() + LEASE,
            rows_done=progress.rows_done,
            rows_total=progress.rows_total,
        )

    with renewing(renew) as progress.lost:
        yield progress


def finish_export(export: Export, file_name: str, file_bytes: int, rows: int) -> None:
    """Raises Interrupted where another worker has the lease."""
    is_ours = _write(
        export,
        is_announced=True,
        finished_at=func.now(),
        expires_at=func.now() + FILES_ARE_KEPT,
        file_name=file_name,
        file_bytes=file_bytes,
        rows_done=rows,
        rows_total=rows,
        leased_until=None,
    )
    if not is_ours:
        raise Interrupted


def fail_export(export: Export, error: str) -> None:
    """Ends an export without a file."""
    _write(export, finished_at=func.now(), error=error, leased_until=None)


def give_back(export: Export, *, counts: bool) -> None:
    """Leaves an export to the next worker; `counts`: as an attempt that failed."""
    attempts = Export.attempts if counts else Export.attempts - 1
    _write(export, attempts=attempts, lease_id=None, leased_until=None)


def expired_exports() -> list[Export]:
    """Some of those whose file is to be deleted."""
    with transaction() as session:
        query = select(Export).where(Export.file_name.is_not(None), Export.expires_at <= func.now())
        return list(session.scalars(query.limit(_EXPIRED_AT_ONCE)))


def forget_file(export: Export) -> None:
    """Notes that an export's file was deleted."""
    with transaction() as session:
        session.execute(
            update(Export).where(Export.export_id == export.export_id).values(file_name=None)
        )


def _write(export: Export, *, is_announced: bool = False, **changes: Any) -> bool:
    """Changes an export, if this worker still has its lease. Returns whether it has."""
    with transaction() as session:
        mine = session.execute(
            update(Export)
            .where(
                Export.export_id == export.export_id,
                Export.lease_id == export.lease_id,
                Export.finished_at.is_(None),
            )
            .values(**changes)
            .returning(Export.rows_done, Export.file_bytes)
        ).one_or_none()
        if mine is not None and is_announced:
            data = {
                "export_id": export.export_id,
                "kind": export.kind,
                "format": export.format,
                "period": str(Period(export.period)),
                "rows": mine.rows_done,
                "file_bytes": mine.file_bytes,
            }
            announce(session, export.customer_id, EventType.EXPORT_READY, data)
        return mine is not None
