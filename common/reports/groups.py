"""The users and leads of a report in pages, the largest first: of a draft as of a final report.

Invariant: a place is what its group comes to and the group's key, so a cursor of a draft goes on in
the final report.
"""

from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, TextClause, text
from sqlalchemy.orm import Session

from common.database.sql_loader import load_statement
from common.rating.line import require_prices
from common.rating.periods import totals_of
from common.rating.standing_totals.backlog import backlog_scope
from common.reports.line_search import ALL_LINES, LineSearch
from common.reports.model import Group
from common.reports.months import Month

_DRAFT_LEADS = text(load_statement("reports", "draft_leads"))
_DRAFT_USERS = text(load_statement("reports", "draft_users"))
_FINAL_LEADS = text(load_statement("reports", "final_leads"))
_FINAL_USERS = text(load_statement("reports", "final_users"))


class GroupPlace(NamedTuple):
    """Where a user or a lead stands among those of its report."""

    gross_cents: int
    key: UUID


class FoundGroup(NamedTuple):
    """A user or a lead of a report, and where it stands."""

    group: Group
    place: GroupPlace


class GroupSearch(NamedTuple):
    """Which users or leads to show: those behind a place that are searched for, at most so many."""

    search: LineSearch
    after: GroupPlace | None
    most: int

    def parameters(self) -> dict[str, Any]:
        return {
            "search": self.search.parameters()["search"],
            "is_filtered": self.search != ALL_LINES,
            "after_gross": self.after and self.after.gross_cents,
            "after_key": self.after and str(self.after.key),
            "max_groups": self.most,
        }


def find_users(session: Session, month: Month, search: GroupSearch) -> list[FoundGroup]:
    """A page of users. Raises Unpriced as a draft does."""
    rows = _rows(session, month, _DRAFT_USERS, _FINAL_USERS, search)
    return [
        _found(row, {"user": row.user_name, "user_key": str(row.key), "has_user": row.has_user})
        for row in rows
    ]


def find_leads(session: Session, month: Month, search: GroupSearch) -> list[FoundGroup]:
    """A page of leads. Raises Unpriced as a draft does."""
    rows = _rows(session, month, _DRAFT_LEADS, _FINAL_LEADS, search)
    return [
        _found(
            row,
            {
                "lead_id": row.lead,
                "product_id": row.product,
                "lead_type": row.lead_type,
                "user": row.user_name,
            },
        )
        for row in rows
    ]


def _rows(
    session: Session,
    month: Month,
    of_draft: TextClause,
    of_final: TextClause,
    search: GroupSearch,
) -> list[Row[Any]]:
    customer_id, period = month.customer.customer_id, month.period.start
    page = {"customer_id": str(customer_id)} | search.parameters()
    if month.final is not None:
        report_id = str(month.final.report_id)
        return list(session.execute(of_final, page | {"report_id": report_id}))
    if month.closed_with is not None:
        return []
    behind = backlog_scope(session, customer_id, period)
    rows = list(session.execute(of_draft, behind.parameters() | page | {"period": period}))
    require_prices(sum(row.unpriced for row in rows))
    return rows


def _found(row: Row[Any], members: dict[str, Any]) -> FoundGroup:
    return FoundGroup(Group(members, totals_of(row)), GroupPlace(row.gross_cents, row.key))
