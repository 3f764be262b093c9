"""A report as the HTTP contract's JSON, as api/schemas/reports.py declares it.

Written in pieces, since a report can hold 10,000 lines; each piece is made of the schema itself.
"""

from collections.abc import Iterator
from itertools import islice

from pydantic import TypeAdapter

from common.reports.model import Report
from services.reports.api.schemas.lines import Line
from services.reports.api.schemas.reports import Report as ReportAnswer

MEDIA_TYPE = "application/json"
_LINES_AT_ONCE = 500
_LINES = TypeAdapter(list[Line])
_MEMBERS = list(ReportAnswer.model_fields)
_BEFORE_LINES = set(_MEMBERS[: _MEMBERS.index("lines")])
_AFTER_LINES = set(_MEMBERS[_MEMBERS.index("lines") + 1 :])


def render(report: Report) -> Iterator[bytes]:
    """The report's JSON in pieces, so that only some lines are in memory at once."""
    answer = ReportAnswer.without_lines(report)
    yield answer.model_dump_json(include=_BEFORE_LINES)[:-1].encode() + b',"lines":['
    lines, separator = iter(report.lines), b""
    while piece := [Line.from_line(line) for line in islice(lines, _LINES_AT_ONCE)]:
        yield separator + _LINES.dump_json(piece)[1:-1]
        separator = b","
    yield b"]," + answer.model_dump_json(include=_AFTER_LINES)[1:].encode()
