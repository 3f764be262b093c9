"""Holds standing totals against a full rating, within one snapshot."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from common.database.sql_loader import load_statement
from common.final_reports.closed_months import closed_months
from common.rating.periods import RatingScope, active_periods
from common.rating.standing_totals.backlog import backlog_scope
from common.rating.standing_totals.read import (
    PageStart,
    lead_totals,
    month_totals,
    part_totals,
    user_totals,
)

_RATED = text(
    "with " + "rated as (" + load_statement("rating", "rate_month") + ") "
    "select rated.*, leads.has_user, outcome_bit(outcome) as outcome_bit from rated "
    "join leads on leads.customer_id = rated.customer_id and leads.lead_id = rated.lead_id"
)
_CENTS = ("gross_cents", "billed_cents", "duplicate_cents", "cap_cents")
Month = tuple[UUID, date]
Sums = tuple[int, ...]


def check_standing_totals(session: Session) -> dict[Month, Sums]:
    """Fails unless what is read of every open month is what rating all of it gives.

    Returns the totals of each month. The session must see one snapshot.
    """
    closed = closed_months(session)
    pairs = closed.open_among(active_periods(session, None, None, None))
    leads = _rated_leads(session, pairs)
    expected = {month: _sum(rows.values()) for month, rows in leads.items()}
    behind = backlog_scope(session, None, None)

    read = month_totals(session, behind)
    assert {(row.customer_id, row.period): tuple(row.totals) for row in read} == expected

    for customer_id, period in pairs:
        _check_month(session, customer_id, period, leads[customer_id, period])
    _check_rows(session, behind, leads, closed.last)
    return expected


def _check_month(
    session: Session, customer_id: UUID, period: date, leads: Mapping[UUID, "_Lead"]
) -> None:
    behind = backlog_scope(session, customer_id, period)
    by_part, by_user = defaultdict(list), defaultdict(list)
    for lead in leads.values():
        by_part[lead.product_id, lead.lead_type].append(lead)
        by_user[str(lead.user_key)].append(lead)

    parts = part_totals(session, behind, customer_id, period)
    assert {
        (row.product_id, row.lead_type): (*_sums(row), row.leads_without_user) for row in parts
    } == {
        part: (*_sum(rows), sum(not lead.has_user for lead in rows))
        for part, rows in by_part.items()
    }
    users = user_totals(session, behind, customer_id, period)
    assert {row.user_key: _sums(row) for row in users} == {
        user: _sum(rows) for user, rows in by_user.items()
    }
    rows = lead_totals(session, behind, customer_id, period)
    assert {row.lead_key: _sums(row) for row in rows} == {
        key: _sum([lead]) for key, lead in leads.items()
    }
    assert _pages(rows, session, behind, customer_id, period) == [row.lead_key for row in rows]


def _pages(
    rows: Sequence[Row[Any]],
    session: Session,
    behind: RatingScope,
    customer_id: UUID,
    period: date,
) -> list[UUID]:
    """The keys of the leads, read a page at a time."""
    keys: list[UUID] = []
    after, size = None, len(rows) // 3 + 1
    while page := lead_totals(session, behind, customer_id, period, after=after, limit=size):
        keys += [row.lead_key for row in page]
        after = PageStart(page[-1].gross_cents, page[-1].lead_key)
        assert len(keys) <= len(rows)
    return keys


class _Lead:
    """What the lines of a lead come to, summed up here and not by a statement."""

    def __init__(self, row: Row[Any]) -> None:
        self.product_id, self.lead_type = row.product_id, row.lead_type
        self.user_key, self.has_user = row.user_key, row.has_user
        self.sums = [0, 0, 0, 0, 0]
        self.outcomes = 0

    def add(self, row: Row[Any]) -> None:
        amounts = [getattr(row, name) or 0 for name in _CENTS]
        self.sums = [one + more for one, more in zip(self.sums, [*amounts, 1], strict=True)]
        self.outcomes |= row.outcome_bit


def _rated_leads(session: Session, pairs: list[Month]) -> dict[Month, dict[UUID, _Lead]]:
    leads: dict[Month, dict[UUID, _Lead]] = {pair: {} for pair in pairs}
    for row in session.execute(_RATED, RatingScope(pairs).parameters()):
        of_month = leads[row.customer_id, row.period]
        of_month.setdefault(row.lead_id, _Lead(row)).add(row)
    return leads


def _check_rows(
    session: Session,
    behind: RatingScope,
    leads: Mapping[Month, Mapping[UUID, _Lead]],
    closed_through: Mapping[UUID, date],
) -> None:
    """A stored row differs from the rating only where the backlog covers its user's month."""
    covered = {
        (*pair, user_key) for pair, user_key in zip(behind.pairs, behind.user_keys, strict=True)
    }
    stored = {
        (row.customer_id, row.period, str(row.user_key), row.lead_id): (
            *(getattr(row, name) for name in _CENTS),
            row.actions,
            row.outcomes,
        )
        for row in session.execute(text("select * from standing_lead_totals"))
        if row.customer_id not in closed_through or row.period > closed_through[row.customer_id]
    }
    rated = {
        (*month, str(lead.user_key), key): (*lead.sums, lead.outcomes)
        for month, of_month in leads.items()
        for key, lead in of_month.items()
    }
    differing = {key for key in stored.keys() | rated.keys() if stored.get(key) != rated.get(key)}
    assert {
        key for key in differing if (*key[:3],) not in covered and (*key[:2], None) not in covered
    } == set()
    for table, columns in _ADD_UP.items():
        assert session.execute(text(_DIFFERENCES.format(table=table, columns=columns))).all() == []


_ADD_UP = {
    "standing_month_totals": "customer_id, period",
    "standing_part_totals": "customer_id, period, product_id, lead_type",
    "standing_user_totals": "customer_id, period, user_key",
}
_DIFFERENCES = """
select {columns}, gross_cents, billed_cents, duplicate_cents, cap_cents, leads, actions, unpriced,
    leads_without_user
from {table} where leads > 0
except
select {columns}, sum(gross_cents), sum(billed_cents), sum(duplicate_cents), sum(cap_cents),
    count(*), sum(actions), sum(unpriced), count(*) filter (where not has_user)
from standing_lead_totals group by {columns}
"""


def _sums(row: Row[Any]) -> Sums:
    return (*(getattr(row, name) for name in _CENTS), row.leads, row.actions)


def _sum(leads: Iterable[_Lead]) -> Sums:
    found = list(leads)
    sums = [sum(column) for column in zip(*(lead.sums for lead in found), strict=True)]
    return (*sums[:4], len(found), sums[4]) if found else (0, 0, 0, 0, 0, 0)
