"""The inbox: a folder whose files are imported, one at a time.

Invariant: a file stays in the inbox until all of its rows are stored, so one whose import died is
taken up where it stopped. Then it stands in `done` beside the inbox, with its refused rows in
`refused`; a file that is wrong as a whole goes to `refused` with the reason.
"""

import fcntl
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from common.access.authentication import Principal
from common.database.transactions import snapshot
from common.enums import Role
from common.imports.imported_files import import_stream, refused_rows_of
from common.imports.models import Import
from common.imports.presets import ChosenMapping, Preset
from common.imports.stored_mappings import chosen_mapping
from common.problems import Conflict, DatabaseUnavailable, Internal, Problem
from common.request_model import MAX_TEXT_LENGTH
from common.settings import Settings

# A file that was written to this lately may still be growing.
QUIET_SECONDS = 2.0
_UNFINISHED = frozenset({".part", ".partial", ".tmp", ".crdownload", ".download"})
_INBOX = Principal("", "inbox", Role.ADMIN)

logger = logging.getLogger("lead_billing.inbox")


def import_from_inbox(
    inbox: Path, settings: Settings, now: datetime, stopping: threading.Event
) -> bool:
    """Imports the first file that waits in the inbox. Returns whether there was one.

    A file in a subfolder is read by the stored mapping or preset that the folder is named after,
    others by `generic`. Raises DatabaseUnavailable, and leaves the file where it is.
    """
    for path in _waiting(inbox):
        with _alone_with(path) as stream:
            if stream is None:
                continue
            try:
                done = import_stream(
                    stream,
                    _chosen(inbox, path),
                    _INBOX,
                    settings,
                    now,
                    file_name=path.name[-MAX_TEXT_LENGTH:],
                    is_over=stopping.is_set,
                )
            except Conflict:
                continue
            except DatabaseUnavailable:
                raise
            except Problem as problem:
                _refuse(inbox, path, problem)
                return True
            except Exception:
                logger.exception("a file of the inbox could not be imported")
                _refuse(inbox, path, Internal("the error was logged; drop the file again to go on"))
                return True
            if done.is_finished:
                _put_away(inbox, path, done)
            return True
    return False


def _waiting(inbox: Path) -> Iterator[Path]:
    quiet_since = time.time() - QUIET_SECONDS
    for path in sorted([*inbox.glob("*"), *inbox.glob("*/*")]):
        if path.name.startswith(".") or path.suffix in _UNFINISHED or path.is_symlink():
            continue
        if path.is_file() and path.stat().st_mtime <= quiet_since:
            yield path


@contextmanager
def _alone_with(path: Path) -> Iterator[BinaryIO | None]:
    """The open file; None where another process is at it, or it is gone."""
    try:
        stream = path.open("rb")
    except OSError:
        yield None
        return
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)  # ends with the process
        except OSError:
            yield None
            return
        # Another process may have put it away before it was locked.
        is_there = path.exists() and os.path.samestat(path.stat(), os.fstat(stream.fileno()))
        yield stream if is_there else None


def _chosen(inbox: Path, path: Path) -> ChosenMapping:
    name = Preset.GENERIC.value if path.parent == inbox else path.parent.name
    with snapshot() as session:
        return chosen_mapping(session, _INBOX, name)


def _put_away(inbox: Path, path: Path, done: Import) -> None:
    if done.refused_count:
        with snapshot() as session:
            text = refused_rows_of(session, done.import_id, _INBOX)
        target = _free(inbox, "refused", path.with_suffix(".refused.csv"))
        target.write_text(text, encoding="utf-8", newline="")
    path.rename(_free(inbox, "done", path))
    logger.info("imported", extra={"import_id": str(done.import_id), "rows": done.row_count})


def _refuse(inbox: Path, path: Path, problem: Problem) -> None:
    target = _free(inbox, "refused", path)
    fields = (f"{error.pointer}: {error.detail}\n" for error in problem.errors)
    reason = f"{problem.detail}\n{''.join(fields)}"
    target.with_name(f"{target.name}.reason.txt").write_text(reason, encoding="utf-8")
    path.rename(target)
    logger.warning("a file of the inbox was refused", extra={"code": problem.code})


def _free(inbox: Path, folder: str, path: Path) -> Path:
    """A place for the file in a folder beside the inbox, where no other file stands."""
    target = inbox.parent / folder / path.relative_to(inbox)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    number = 1
    while target.exists():
        number += 1
        target = target.with_name(f"{path.stem}.{number}{path.suffix}")
    return target


def make_inbox(inbox: Path) -> None:
    """Makes the folder, which only this account reads."""
    inbox.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.chmod(inbox, 0o700)
