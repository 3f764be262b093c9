"""Importing uploaded files, under a lease, and deleting them.

Invariant: a file stays in the store until all of its rows are stored or it was refused, so one
whose worker died is taken up where it stopped.
"""

import threading
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import and_, func, or_, select, update

from common.access.authentication import Principal
from common.access.models import ApiKey
from common.catalog.models import Customer
from common.database.leases import LEASE, renewing
from common.database.transactions import snapshot, transaction
from common.enums import Role
from common.file_store.store import FileStore
from common.imports.imported_files import import_stream
from common.imports.models import Import
from common.imports.presets import choose_mapping
from common.imports.uploads import BY_INBOX, UPLOADS, reason_of
from common.problems import Conflict, DatabaseUnavailable, Problem
from common.settings import Settings

MAX_ATTEMPTS = 3
# An upload that began in time may take long to end.
_EXPIRED_ARE_KEPT = timedelta(days=1)


def import_next(
    store: FileStore, settings: Settings, now: datetime, stopping: threading.Event
) -> bool:
    """Imports the uploaded file that waits longest. Returns whether there was one.

    Raises DatabaseUnavailable, and what is no fault of the file; the next attempt goes on.
    """
    current = _take()
    if current is None:
        return False
    if current.attempts > MAX_ATTEMPTS:
        _refuse(current, f"the worker ended {MAX_ATTEMPTS} times while it read the file")
        return True
    try:
        _import(current, store, settings, now, stopping)
    except Conflict:
        pass  # another worker has the lease by now
    except DatabaseUnavailable:
        raise  # the lease runs out
    except Problem as problem:
        _refuse(current, reason_of(problem))
    except Exception:
        if current.attempts < MAX_ATTEMPTS:
            _write(current, leased_until=None)
        else:
            _refuse(current, "the file could not be imported; the log says why")
        raise
    return True


def delete_next(store: FileStore) -> bool:
    """Deletes a file that is not needed any more. Returns whether there was one.

    A refused file of the inbox is left to whoever dropped it, and to the bucket's own rule.
    """
    is_over = or_(
        Import.finished_at.is_not(None),
        and_(Import.error.is_not(None), Import.file_key.startswith(UPLOADS)),
        and_(Import.arrived_at.is_(None), Import.upload_until < func.now() - _EXPIRED_ARE_KEPT),
    )
    with transaction() as session:
        query = select(Import).where(Import.file_key.is_not(None), is_over).limit(1)
        done = session.scalars(query.with_for_update(skip_locked=True)).one_or_none()
        if done is None:
            return False
        store.delete(str(done.file_key))
        done.file_key = None
        return True


def _import(
    current: Import,
    store: FileStore,
    settings: Settings,
    now: datetime,
    stopping: threading.Event,
) -> None:
    principal = _sender_of(current)
    chosen = choose_mapping(current.mapping)
    with (
        renewing(lambda: _write(current, leased_until=func.now() + LEASE)) as lost,
        store.reading(str(current.file_key)) as stream,
    ):
        done = import_stream(
            stream,
            chosen,
            principal,
            settings,
            now,
            file_name=current.file_name,
            is_over=lambda: stopping.is_set() or lost.is_set(),
            uploaded=current,
        )
    if not done.is_finished:
        # Another worker goes on; this was no failure.
        _write(current, leased_until=None, attempts=func.greatest(Import.attempts - 1, 0))


def _take() -> Import | None:
    """The import with a new lease; None where none waits."""
    with transaction() as session:
        query = (
            select(Import)
            .where(
                Import.file_key.is_not(None),
                Import.arrived_at.is_not(None),
                Import.finished_at.is_(None),
                Import.error.is_(None),
                or_(Import.leased_until.is_(None), Import.leased_until < func.now()),
            )
            .order_by(Import.arrived_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        current = session.scalars(query).one_or_none()
        if current is None:
            return None
        changes = {
            "lease_id": uuid4(),
            "leased_until": func.now() + LEASE,
            "attempts": Import.attempts + 1,
        }
        session.execute(
            update(Import).where(Import.import_id == current.import_id).values(**changes)
        )
        session.refresh(current)
        return current


def _sender_of(current: Import) -> Principal:
    if not current.created_by:
        return BY_INBOX  # or open access on this machine, which may do as much
    with snapshot() as session:
        key = session.get_one(ApiKey, current.created_by)
        customer = key.customer_id and session.get_one(Customer, key.customer_id)
        return Principal(
            key.key_id,
            key.name,
            Role(key.role),
            key.customer_id,
            customer.external_id if customer else None,
        )


def _refuse(current: Import, reason: str) -> None:
    _write(current, error=reason, leased_until=None)


def _write(current: Import, **changes: Any) -> bool:
    """Changes an import, if this worker still has its lease. Returns whether it has."""
    with transaction() as session:
        mine = session.execute(
            update(Import)
            .where(
                Import.import_id == current.import_id,
                Import.lease_id == current.lease_id,
                Import.finished_at.is_(None),
            )
            .values(**changes)
            .returning(Import.import_id)
        )
        return mine.one_or_none() is not None
