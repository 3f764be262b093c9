"""Importing: a file's rows go through ingestion in batches, and each row has its outcome.

Invariant: a row is judged as POST /leads judges its lead, and the same rows again change nothing.
How leads are stored is the caller's (`Send`): in a database, or over the API.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from common.database.transactions import transaction
from common.imports.files import Row
from common.imports.mapped_rows import RowMapper, Wire
from common.leads.ingestion import ingest_leads, store_leads
from common.leads.parsing import MAX_LEADS, keyed_leads
from common.leads.results import Result, Status
from common.problems import FieldError
from common.settings import Settings

MAX_BATCH_CHARACTERS = 1024 * 1024  # of cells: a batch as JSON is within a body's limit
REFUSED = frozenset({Status.INVALID, Status.CONFLICT})

# Stores leads, or tries to, and says what became of each by its place.
Send = Callable[[Sequence[Wire]], list[Result]]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refused row, and why."""

    row: Row
    status: Status
    errors: list[FieldError]


@dataclass(slots=True)
class Batch:
    """What became of some rows: the number of the last one, and their leads by status."""

    last_row: int
    statuses: Counter[Status] = field(default_factory=Counter)
    actions_added: int = 0
    refusals: list[Refusal] = field(default_factory=list)


def import_rows(rows: Iterable[Row], mapper: RowMapper, send: Send) -> Iterator[Batch]:
    """Imports rows in batches of up to `MAX_LEADS`; each is stored when it is yielded."""
    for batch in batches_of(rows):
        yield import_batch(batch, mapper, send)


def storing(settings: Settings, now: datetime, owner: UUID | None, seconds: float) -> Send:
    """Commits leads to the database; those that are not of `owner` are refused."""

    def send(items: Sequence[Wire]) -> list[Result]:
        leads, refused = keyed_leads(list(items), now, settings, owner)
        return refused + (store_leads(leads, settings, seconds) if leads else [])

    return send


def trying(settings: Settings, now: datetime, owner: UUID | None) -> Send:
    """Says what storing would do, and takes it back."""

    def send(items: Sequence[Wire]) -> list[Result]:
        leads, refused = keyed_leads(list(items), now, settings, owner)
        with transaction() as session, session.begin_nested() as attempt:
            results = ingest_leads(session.connection(), leads, settings)
            attempt.rollback()
        return refused + results

    return send


def batches_of(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """The rows in batches that one request can hold."""
    batch: list[Row] = []
    size = 0
    for row in rows:
        if batch and (len(batch) == MAX_LEADS or size + row.size > MAX_BATCH_CHARACTERS):
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += row.size
    if batch:
        yield batch


def import_batch(rows: list[Row], mapper: RowMapper, send: Send) -> Batch:
    """Sends the leads of some rows, and says what became of each row."""
    batch = Batch(rows[-1].number)
    sent: list[Row] = []
    items: list[Wire] = []
    refusals = []
    for row in rows:
        lead = mapper.lead_of(row)
        if isinstance(lead, list):
            batch.statuses[Status.INVALID] += 1
            refusals.append(Refusal(row, Status.INVALID, lead))
        else:
            sent.append(row)
            items.append(lead)
    for result in send(items) if items else ():
        batch.statuses[result.status] += 1
        batch.actions_added += result.actions_added
        if result.status in REFUSED:
            refusals.append(Refusal(sent[result.index], result.status, result.errors))
    batch.refusals = sorted(refusals, key=lambda refusal: refusal.row.number)
    return batch
