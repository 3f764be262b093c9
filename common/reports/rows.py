"""Reading a report's statement, which gives all of it section by section."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import groupby
from typing import Any

from sqlalchemy import Row

from common.rating.line import Line
from common.rating.totals import Totals
from common.reports.breakdowns import LeadTotals


class _Section(IntEnum):
    """As the statements of `sql/` number them, in this order."""

    LEAD = 0
    PRIOR_LINE = 1
    MATCHING = 2
    LINE = 3


@dataclass(frozen=True, slots=True)
class ReportRows:
    """What a report's statement gives. `lines` is a stream that is read once."""

    leads: list[LeadTotals]
    prior_lines: list[Line]
    unpriced: int
    matching: Totals  # of the lines that the search matches; they have no count of leads
    lines: Iterator[Row[Any]]


def read_rows(rows: Iterable[Row[Any]]) -> ReportRows:
    """Reads all but the lines."""
    sections = groupby(rows, lambda row: _Section(row.section))
    leads: list[LeadTotals] = []
    prior_lines: list[Line] = []
    unpriced = 0
    for section, members in sections:
        if section is _Section.MATCHING:
            (row,) = members
            matching = Totals(*_cents(row), actions=row.actions)
            break
        for row in members:
            unpriced += row.unpriced
            if section is _Section.LEAD:
                leads.append(_lead_totals(row))
            else:
                prior_lines.append(line_of(row))
    rest = (row for _, members in sections for row in members)
    return ReportRows(leads, prior_lines, unpriced, matching, rest)


def line_of(row: Row[Any]) -> Line:
    """The row's columns behind its section are the members of a Line, in their order."""
    columns: Sequence[Any] = row
    return Line(*columns[1:22])


def _lead_totals(row: Row[Any]) -> LeadTotals:
    return LeadTotals(
        row.product,
        row.product_name,
        row.lead_type,
        row.user_key,
        row.user_name,
        row.lead,
        row.has_user,
        Totals(*_cents(row), 1, row.actions),
    )


def _cents(row: Row[Any]) -> tuple[int, int, int, int]:
    return row.gross_cents, row.billed_cents, row.duplicate_cents, row.cap_cents
