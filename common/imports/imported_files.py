"""Imported files: a posted file goes through ingestion, and what became of it is kept.

Invariant: `rows_done` counts rows that are committed, so the same file sent again goes on behind
them. An import is shown to the key that made it, to keys of its customer, and to admins.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any, BinaryIO
from uuid import UUID, uuid4

from pydantic_core import to_json
from sqlalchemy import ColumnElement, Select, case, func, select, true, update
from sqlalchemy.orm import Session

from common.access.authentication import Principal
from common.database.engine import MAX_STATEMENT_SECONDS
from common.database.transactions import acting_as, transaction
from common.enums import Role
from common.events.announce import announce
from common.events.event_types import EventType
from common.imports.files import Row
from common.imports.importing import Batch, Refusal, import_rows, storing, trying
from common.imports.mapped_rows import Wire
from common.imports.models import Import
from common.imports.opened_file import OpenedFile, open_file
from common.imports.presets import ChosenMapping
from common.imports.refused_rows import BYTE_ORDER_MARK
from common.leads.results import Status
from common.problems import Conflict, NotFound
from common.settings import Settings

MAX_SECONDS = 20.0  # then the rest is left: gateways give up after 30
MAX_TOLD_REFUSALS = 1_000  # of a dry run
FIRST_ROWS = 10
# Of one import, and a batch more: each batch writes them anew.
MAX_REFUSED_BYTES = 32 * 1024 * 1024
REFUSED_ROWS_ARE_KEPT = timedelta(days=30)


@dataclass(slots=True)
class DryRun:
    """What an import of a file would do."""

    row_count: int
    rows_done: int = 0
    statuses: Counter[Status] = field(default_factory=Counter)
    actions_added: int = 0
    refused_count: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    first_rows: list[tuple[Row, Wire | None]] = field(default_factory=list)


def try_file(
    content: bytes, chosen: ChosenMapping, principal: Principal, settings: Settings, now: datetime
) -> DryRun:
    """Says what `import_file` would do, and stores nothing.

    It judges each batch of rows by itself. Raises what `open_file` raises.
    """
    opened = open_file(BytesIO(content), chosen.for_customer(principal.customer))
    tried = DryRun(opened.held.rows)
    for row in opened.rows():
        if len(tried.first_rows) == FIRST_ROWS:
            break
        lead = opened.mapper.lead_of(row)
        tried.first_rows.append((row, None if isinstance(lead, list) else lead))
    send = trying(settings, now, principal.customer_id)
    until = time.monotonic() + MAX_SECONDS
    with acting_as(principal.actor):  # as no customer: the leads are held to theirs by `send`
        for batch in import_rows(opened.rows(), opened.mapper, send):
            tried.rows_done = batch.last_row
            tried.statuses += batch.statuses
            tried.actions_added += batch.actions_added
            tried.refused_count += len(batch.refusals)
            tried.refusals += batch.refusals[: MAX_TOLD_REFUSALS - len(tried.refusals)]
            if time.monotonic() > until:
                break
    return tried


def import_file(
    content: bytes,
    chosen: ChosenMapping,
    principal: Principal,
    settings: Settings,
    now: datetime,
    *,
    file_name: str | None = None,
) -> Import:
    """Imports a file for about `MAX_SECONDS`, and says how far it came.

    Raises what `import_stream` raises.
    """
    until = time.monotonic() + MAX_SECONDS
    return import_stream(
        BytesIO(content),
        chosen,
        principal,
        settings,
        now,
        file_name=file_name,
        is_over=lambda: time.monotonic() > until,
    )


def import_stream(
    stream: BinaryIO,
    chosen: ChosenMapping,
    principal: Principal,
    settings: Settings,
    now: datetime,
    *,
    file_name: str | None,
    is_over: Callable[[], bool],
    uploaded: Import | None = None,
) -> Import:
    """Imports a file until its end, or until `is_over`, and says how far it came.

    A file that the same key sent before, and that was not finished, goes on where it stopped; so
    does an `uploaded` one. Raises what `open_file` raises, Conflict while somebody else imports the
    same file, and DatabaseUnavailable.
    """
    opened = open_file(stream, chosen.for_customer(principal.customer))
    content_hash = b"" if uploaded else _hash_of(stream, chosen)
    send = storing(settings, now, principal.customer_id, MAX_STATEMENT_SECONDS)
    with acting_as(principal.actor):  # as no customer: the leads are held to theirs by `send`
        with transaction() as session:
            _drop_old_refused_rows(session)
            if uploaded is not None:
                current = _opened(session, uploaded, opened)
            else:
                taken_up = _unfinished(session, content_hash, principal)
                current = taken_up or _new(session, content_hash, opened, principal, file_name)
        for batch in import_rows(opened.rows(current.rows_done + 1), opened.mapper, send):
            with transaction() as session:
                current = _advance(session, current, batch, opened)
            if is_over():
                break
    return current


def _hash_of(stream: BinaryIO, chosen: ChosenMapping) -> bytes:
    stream.seek(0)
    whole = hashlib.file_digest(stream, "sha256")  # type: ignore[arg-type]
    whole.update(b"\0" + to_json(chosen.document()))
    return whole.digest()


def get_import(session: Session, import_id: UUID, principal: Principal) -> Import:
    """Raises NotFound, also for an import of somebody else."""
    query = _shown_to(principal).where(Import.import_id == import_id)
    found = session.scalars(query).one_or_none()
    if found is None:
        raise NotFound(f"there is no import {import_id}")
    return found


def list_imports(session: Session, principal: Principal, limit: int) -> list[Import]:
    """The newest imports."""
    return list(
        session.scalars(_shown_to(principal).order_by(Import.created_at.desc()).limit(limit))
    )


def refused_rows_of(session: Session, import_id: UUID, principal: Principal) -> str:
    """The refused rows as CSV. Raises NotFound, also where they are not kept any more."""
    found = get_import(session, import_id, principal)
    if found.refused is None:
        raise NotFound(
            "this import has no refused rows"
            if not found.refused_count
            else "the refused rows are not kept any more: import the file again"
        )
    return BYTE_ORDER_MARK + found.refused


def _shown_to(principal: Principal) -> Select[Import]:
    # The rows of another customer are hidden by the database (common/database/grants.py).
    shown: ColumnElement[bool] = true()
    if principal.role is not Role.ADMIN and principal.customer_id is None:
        shown = Import.created_by == principal.key_id
    return select(Import).where(shown)


def _unfinished(session: Session, content_hash: bytes, principal: Principal) -> Import | None:
    return session.scalars(
        select(Import)
        .where(
            Import.content_hash == content_hash,
            Import.created_by == principal.key_id,
            Import.finished_at.is_(None),
        )
        .order_by(Import.created_at.desc())
        .limit(1)
    ).one_or_none()


def _new(
    session: Session,
    content_hash: bytes,
    opened: OpenedFile,
    principal: Principal,
    file_name: str | None,
) -> Import:
    new = Import(
        import_id=uuid4(),
        customer_id=principal.customer_id,
        created_by=principal.key_id,
        file_name=file_name,
        content_hash=content_hash,
        mapping=opened.chosen.document(),
        row_count=opened.held.rows,
        rows_done=0,
        counts={},
        actions_added=0,
        refused_count=0,
    )
    session.add(new)
    session.flush()
    session.refresh(new)
    return new


def _opened(session: Session, uploaded: Import, opened: OpenedFile) -> Import:
    session.execute(
        update(Import)
        .where(Import.import_id == uploaded.import_id)
        .values(row_count=opened.held.rows)
    )
    return session.get_one(Import, uploaded.import_id)


def _advance(session: Session, current: Import, batch: Batch, opened: OpenedFile) -> Import:
    """Notes what became of a batch. Raises Conflict where another request noted it before."""
    counts: Counter[str] = Counter(current.counts)
    counts.update({status.value: count for status, count in batch.statuses.items()})
    changes: dict[str, Any] = {
        "rows_done": batch.last_row,
        "counts": dict(counts),
        "actions_added": current.actions_added + batch.actions_added,
        "refused_count": current.refused_count + len(batch.refusals),
        "attempts": 0,
    }
    if batch.last_row == current.row_count:
        changes["finished_at"] = func.now()
    if batch.refusals:
        header = opened.refused_rows.header()
        text = opened.refused_rows.text(batch.refusals)
        kept = func.coalesce(Import.refused, header)
        has_room = func.octet_length(kept) < MAX_REFUSED_BYTES
        changes["refused"] = case((has_room, kept.concat(text)), else_=Import.refused)
    advanced = session.scalars(
        update(Import)
        .where(Import.import_id == current.import_id, Import.rows_done == current.rows_done)
        .values(**changes)
        .returning(Import)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if advanced is None:
        raise Conflict("another request imports the same file; ask how far it is")
    if advanced.is_finished:
        announce(session, advanced.customer_id, EventType.IMPORT_FINISHED, _announced(advanced))
    return advanced


def _announced(finished: Import) -> dict[str, Any]:
    return {
        "import_id": finished.import_id,
        "rows": finished.row_count,
        "counts": finished.counts,
        "actions_added": finished.actions_added,
        "refused": finished.refused_count,
    }


def _drop_old_refused_rows(session: Session) -> None:
    session.execute(
        update(Import)
        .where(Import.refused.is_not(None), Import.created_at < func.now() - REFUSED_ROWS_ARE_KEPT)
        .values(refused=None)
    )
