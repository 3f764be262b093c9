"""Reading what open months come to: exact in the session's snapshot, caught up or not.

Invariant: each function takes the scope of the backlog that `backlog_scope` gave in the same
snapshot, so that one request asks for it once.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from common.database.sql_loader import load_statement
from common.rating.periods import PeriodTotals, RatingScope, period_totals

_ROOM = "rating/standing_totals"
_MONTH_TOTALS = text(load_statement(_ROOM, "month_totals"))
_PART_TOTALS = text(load_statement(_ROOM, "part_totals"))
_LEAD_TOTALS = text(load_statement(_ROOM, "lead_totals"))
_USER_TOTALS = text(load_statement(_ROOM, "user_totals"))


class PageStart(NamedTuple):
    """The row before a page: its gross and its key."""

    gross_cents: int
    key: UUID


def month_totals(
    session: Session,
    backlog: RatingScope,
    customer_id: UUID | None = None,
    period: date | None = None,
    late: Sequence[tuple[UUID, date]] = (),
) -> list[PeriodTotals]:
    """Each open month with a line, the newest first: of a customer or all, one period or all.

    And what is late in the closed months `late`. Raises Unpriced when an action has no price on its
    rate card.
    """
    scope = replace(
        backlog,
        pairs=[*backlog.pairs, *late],
        user_keys=[*backlog.user_keys, *[None] * len(late)],
    )
    parameters = {"customer_id": customer_id and str(customer_id), "period": period}
    return period_totals(session, scope, _MONTH_TOTALS, parameters=parameters)


def part_totals(
    session: Session, backlog: RatingScope, customer_id: UUID, period: date
) -> Sequence[Row[Any]]:
    """The leads of each product and lead type of an open month."""
    parameters = {"customer_id": str(customer_id), "period": period}
    return session.execute(_PART_TOTALS, backlog.parameters() | parameters).all()


def lead_totals(
    session: Session,
    backlog: RatingScope,
    customer_id: UUID,
    period: date,
    *,
    after: PageStart | None = None,
    limit: int | None = None,
) -> Sequence[Row[Any]]:
    """The leads of an open month, the largest first; `backlog` is of this month alone."""
    parameters = {
        "customer_id": str(customer_id),
        "period": period,
        "after_gross": after and after.gross_cents,
        "after_lead": after and str(after.key),
        "max_leads": limit,
    }
    return session.execute(_LEAD_TOTALS, backlog.parameters() | parameters).all()


def user_totals(
    session: Session,
    backlog: RatingScope,
    customer_id: UUID,
    period: date,
    *,
    after: PageStart | None = None,
    limit: int | None = None,
) -> Sequence[Row[Any]]:
    """The users of an open month, the largest first; `backlog` is of this month alone."""
    parameters = {
        "customer_id": str(customer_id),
        "period": period,
        "after_gross": after and after.gross_cents,
        "after_user": after and str(after.key),
        "max_users": limit,
    }
    return session.execute(_USER_TOTALS, backlog.parameters() | parameters).all()
