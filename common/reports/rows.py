"""Reading a report's statement, which gives all of it section by section: totals, then lines."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from itertools import groupby
from typing import Any

from sqlalchemy import Row, TextClause
from sqlalchemy.orm import Session

from common.rating.line import (
    LINES_AT_ONCE,
    Line,
    Totals,
    line_of,
    require_prices,
    sum_of,
)
from common.reports.model import MAX_GROUPS, Group, Parts


class _Section(IntEnum):
    """As the statements of `sql/` number them, in this order."""

    PART = 0
    USER = 1
    LEAD = 2
    PRIOR_LINE = 3
    MATCHING = 4
    LINE = 5


@dataclass(frozen=True, slots=True)
class ReportRows:
    """What a report's statement gives. `lines` is a stream that is read once."""

    totals: Totals
    parts: Parts
    leads_without_user: int
    prior_lines: list[Line]
    matching: Totals  # of the lines that the search matches; they have no count of leads
    lines: Iterator[Row[Any]]


def read_report(
    session: Session, statement: TextClause, parameters: Mapping[str, Any]
) -> ReportRows:
    """Runs a report's statement, and reads all but the lines.

    Raises Unpriced when an action has no price on the rate card in force.
    """
    rows = session.execute(
        statement,
        {**parameters, "max_groups": MAX_GROUPS},
        execution_options={"stream_results": True, "yield_per": LINES_AT_ONCE},
    )
    sections = groupby(rows, lambda row: _Section(row.section))
    found: dict[_Section, list[Row[Any]]] = {}
    for section, members in sections:
        found[section] = list(members)
        if section is _Section.MATCHING:
            break
    parts = found.get(_Section.PART, [])
    prior_lines = found.get(_Section.PRIOR_LINE, [])
    (matching,) = found[_Section.MATCHING]
    require_prices(sum(row.unpriced for row in (*parts, *prior_lines)))
    totals = sum_of(map(_totals, parts))
    return ReportRows(
        totals,
        Parts(
            by_product=_by_product(parts),
            by_lead_type=_by_lead_type(parts),
            by_user=[_user(row) for row in found.get(_Section.USER, [])],
            by_lead=[_lead(row) for row in found.get(_Section.LEAD, [])],
            user_count=matching.users,
            lead_count=totals.leads,
        ),
        sum(part.leads_without_user for part in parts),
        list(map(line_of, prior_lines)),
        _totals(matching),
        (row for _, members in sections for row in members),
    )


def _by_product(parts: Iterable[Row[Any]]) -> list[Group]:
    names = {part.product: part.product_name for part in parts}
    return [
        Group({"product_id": product, "name": names[product]}, totals)
        for product, totals in _sums(parts, lambda part: part.product)
    ]


def _by_lead_type(parts: Iterable[Row[Any]]) -> list[Group]:
    return [
        Group({"lead_type": lead_type}, totals)
        for lead_type, totals in _sums(parts, lambda part: part.lead_type)
    ]


def _user(row: Row[Any]) -> Group:
    members = {"user": row.user_name, "user_key": row.user_key, "has_user": row.has_user}
    return Group(members, _totals(row))


def _lead(row: Row[Any]) -> Group:
    members = {
        "lead_id": row.lead,
        "product_id": row.product,
        "lead_type": row.lead_type,
        "user": row.user_name,
    }
    return Group(members, _totals(row))


def _sums(
    parts: Iterable[Row[Any]], name_of: Callable[[Row[Any]], str]
) -> list[tuple[str, Totals]]:
    """The totals of each part by its name, the largest first."""
    sums: dict[str, Totals] = {}
    for part in parts:
        name = name_of(part)
        sums[name] = sums.get(name, Totals()).plus(_totals(part))
    return sorted(sums.items(), key=lambda part: (-part[1].gross_cents, part[0]))


def _totals(row: Row[Any]) -> Totals:
    return Totals(
        row.gross_cents,
        row.billed_cents,
        row.duplicate_cents,
        row.cap_cents,
        row.leads,
        row.actions,
    )
