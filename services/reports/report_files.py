"""One report as a file: answered if it fits into an answer, else made as an export.

Invariant: both are the same bytes, and nothing is rated or drawn for an answer that a count of
lines shows to be too large.
"""

import gzip
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

from sqlalchemy.orm import Session

from common.exports.one_report import count_lines
from common.problems import AnswerTooLarge
from common.reports.lines import line_file
from common.reports.months import Month
from services.reports.api.fitting import MAX_ANSWER_BYTES
from services.reports.http.content_negotiation import Format
from services.reports.http.spooled import Spooled
from services.reports.render.masking import with_masked_lines, with_masked_users
from services.reports.report_loader import load_report

_LINES_AT_ONCE = 500
_GZIP_LEVEL = 4

Wrote = Callable[[int], None]
Item = TypeVar("Item")


def answered_file(session: Session, month: Month, form: Format, *, unmasked: bool) -> Spooled:
    """The whole file. Raises AnswerTooLarge."""
    require_answerable(session, month, form)
    return Spooled(file_of_report(session, month, form, unmasked=unmasked), MAX_ANSWER_BYTES)


def up_to_an_answer(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """As many whole pieces as fit into an answer."""
    room = MAX_ANSWER_BYTES
    for piece in pieces:
        room -= len(piece)
        if room < 0:
            return
        yield piece


def require_answerable(session: Session, month: Month, form: Format) -> None:
    """Raises AnswerTooLarge if so many lines cannot fit into an answer."""
    most = MAX_ANSWER_BYTES // form.least_bytes_a_line
    if count_lines(session, month, most + 1) > most:
        raise AnswerTooLarge(f"the report has more than {most} lines")


def file_of_report(
    session: Session,
    month: Month,
    form: Format,
    *,
    unmasked: bool,
    read: Wrote | None = None,
) -> Iterator[bytes]:
    """The file in pieces. Tells `read` how many more of its lines were read."""
    if form.render_lines is not None:
        file = line_file(session, month)
        file = file if unmasked else with_masked_lines(file)
        return form.render_lines(replace(file, lines=_counted(file.lines, read)))
    if form.render is None:
        raise ValueError(f"{form.extension} is no file of a report")
    report, _ = load_report(session, month)
    report = report if unmasked else with_masked_users(report)
    return form.render(replace(report, lines=_counted(report.lines, read)))


def write_report(
    session: Session, month: Month, form: Format, path: Path, *, unmasked: bool, wrote: Wrote
) -> None:
    """Writes the file; CSV and NDJSON compressed by gzip."""
    pieces = file_of_report(session, month, form, unmasked=unmasked, read=wrote)
    with path.open("wb") as plain:
        if form.render_lines is None:
            plain.writelines(pieces)
            return
        with gzip.GzipFile("", "wb", _GZIP_LEVEL, plain, mtime=0) as packed:
            for piece in pieces:
                packed.write(piece)


def _counted(lines: Iterable[Item], read: Wrote | None) -> Iterator[Item]:
    """The same lines; tells `read` of them, some at a time."""
    remaining = iter(lines)
    while piece := list(islice(remaining, _LINES_AT_ONCE)):
        yield from piece
        if read is not None:
            read(len(piece))
