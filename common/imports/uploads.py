"""Uploads: files of any size that come to an address of their own, or are dropped into the bucket.

Invariant: an address takes one file, of the size that was said, for `UPLOAD_SECONDS`. What holds
the address needs no key, so only its hash is kept. The background worker imports what has arrived
(uploaded_files.py).
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4, uuid5

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from common.access.authentication import Principal
from common.database.transactions import acting_as, snapshot, transaction
from common.enums import Role
from common.file_store.store import MAX_FILE_BYTES, UPLOAD_SECONDS
from common.imports.models import Import
from common.imports.presets import ChosenMapping, Preset, choose_mapping
from common.imports.stored_mappings import chosen_mapping
from common.problems import Conflict, NotFound, Problem, TooLarge, TooManyRequests
from common.request_model import MAX_TEXT_LENGTH

UPLOADS = "uploads/"
INBOX = "inbox/"
MAX_AWAITED = 20  # of one key: each may bring `MAX_FILE_BYTES`
BY_INBOX = Principal("", "inbox", Role.ADMIN)
_OF_DROPPED_FILES = UUID("5a3cc0b4-7f6e-5b39-9d0f-3f4e7a5c1d21")


@dataclass(frozen=True, slots=True)
class Upload:
    """An import that waits for its file. `token` opens the service's own address, and no other."""

    awaiting: Import
    token: str


def await_upload(
    chosen: ChosenMapping, principal: Principal, file_name: str | None, file_bytes: int
) -> Upload:
    """Begins an import whose file is to be uploaded. Raises TooLarge and TooManyRequests."""
    require_size(file_bytes)
    token = secrets.token_urlsafe(32)
    import_id = uuid4()
    with acting_as(principal.actor), transaction() as session:
        awaited = (
            select(func.count())
            .select_from(Import)
            .where(
                Import.created_by == principal.key_id,
                Import.arrived_at.is_(None),
                Import.upload_until > func.now(),
            )
        )
        if session.scalars(awaited).one() >= MAX_AWAITED:
            raise TooManyRequests(f"the key has {MAX_AWAITED} addresses: upload to them first")
        new = Import(
            **_at_the_start(import_id, principal.key_id, file_name, chosen.document()),
            customer_id=principal.customer_id,
            file_key=f"{UPLOADS}{import_id}",
            file_bytes=file_bytes,
            upload_token_hash=_hash(token),
            upload_until=func.now() + timedelta(seconds=UPLOAD_SECONDS),
        )
        session.add(new)
        session.flush()
        session.refresh(new)
        return Upload(new, token)


def require_size(file_bytes: int) -> None:
    """Raises TooLarge."""
    if file_bytes > MAX_FILE_BYTES:
        raise TooLarge(f"a file may have {MAX_FILE_BYTES} bytes; cut it into pieces")


def awaited_upload(import_id: UUID, token: str) -> Import:
    """The import that waits for the file of an address.

    Raises NotFound, and Conflict where the file is there or the time is over.
    """
    with snapshot() as session:
        awaited = session.get(Import, import_id)
    known = (awaited and awaited.upload_token_hash) or bytes(32)
    if not hmac.compare_digest(known, _hash(token)) or awaited is None:
        raise NotFound("there is no such address")
    _require_not_there(awaited)
    if awaited.upload_until is None or awaited.upload_until <= datetime.now(UTC):
        raise Conflict("the time of this address is over: ask for another one")
    return awaited


def arrived(awaited: Import, keep: Callable[[], None]) -> Import:
    """Keeps the file of an import, and notes that it is there. Raises Conflict."""
    with acting_as("upload"), transaction() as session:
        query = select(Import).where(Import.import_id == awaited.import_id).with_for_update()
        current = session.scalars(query).one()
        _require_not_there(current)
        keep()
        current.arrived_at = func.now()
        session.flush()
        session.refresh(current)
        return current


def note_object(key: str, size: int, mark: str) -> bool:
    """Notes a file that is whole in the bucket. Returns whether it will be imported.

    `mark` tells two files of one name apart; the same one again changes nothing.
    """
    with acting_as(BY_INBOX.actor), transaction() as session:
        if not key.startswith(INBOX):
            noted = update(Import).where(Import.file_key == key, Import.arrived_at.is_(None))
            is_new = noted.values(arrived_at=func.now()).returning(Import.import_id)
            return session.scalars(is_new).one_or_none() is not None
        mapping, error = _mapping_of(session, key, size)
        new = insert(Import).values(
            **_at_the_start(
                uuid5(_OF_DROPPED_FILES, f"{key}\0{mark}"),
                BY_INBOX.key_id,
                key.rpartition("/")[2][-MAX_TEXT_LENGTH:],
                mapping.document(),
            ),
            file_key=key,
            file_bytes=size,
            arrived_at=func.now(),
            error=error,
        )
        added = session.execute(new.on_conflict_do_nothing().returning(Import.import_id))
        return added.one_or_none() is not None and error is None


def _mapping_of(session: Session, key: str, size: int) -> tuple[ChosenMapping, str | None]:
    """The mapping by which a dropped file is read, and why it is refused."""
    folders = key.removeprefix(INBOX).split("/")[:-1]
    generic = choose_mapping(None)
    if len(folders) > 1:
        return generic, f"files stand in {INBOX} or in {INBOX}MAPPING/, and no deeper"
    try:
        require_size(size)
        return chosen_mapping(session, BY_INBOX, folders[0] if folders else Preset.GENERIC), None
    except Problem as problem:
        return generic, reason_of(problem)


def reason_of(problem: Problem) -> str:
    """What is wrong with a file as a whole, in some lines."""
    fields = (f"{error.pointer}: {error.detail}" for error in problem.errors)
    return "\n".join([problem.detail, *fields])


def _at_the_start(
    import_id: UUID, created_by: str, file_name: str | None, mapping: dict[str, Any]
) -> dict[str, Any]:
    return {
        "import_id": import_id,
        "created_by": created_by,
        "file_name": file_name,
        "mapping": mapping,
        "row_count": 0,
        "rows_done": 0,
        "counts": {},
        "actions_added": 0,
        "refused_count": 0,
    }


def _require_not_there(awaited: Import) -> None:
    if awaited.arrived_at is not None:
        raise Conflict("the file has arrived: ask the import how far it is")


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
