"""A report's lines for another program: one object a line, as api/schemas/lines.py declares it."""

from collections.abc import Iterator
from itertools import islice

from common.reports.lines import LineFile
from services.reports.api.schemas.lines import FileLine

MEDIA_TYPE = "application/x-ndjson"
_LINES_AT_ONCE = 500


def render(file: LineFile) -> Iterator[bytes]:
    """A row for each line, in pieces, so that only some lines are in memory at a time."""
    while piece := list(islice(file.lines, _LINES_AT_ONCE)):
        yield b"".join(
            FileLine.from_line(line, file.timezone).model_dump_json().encode() + b"\n"
            for line in piece
        )
