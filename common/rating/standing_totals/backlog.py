"""The backlog: the users' months that the standing totals do not hold yet.

Invariant, within one snapshot: stored totals - stored totals of backlog users + their fresh rating
= a full rating.
"""

from datetime import date
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from common.database.sql_loader import load_statement
from common.rating.periods import RatingScope

_BACKLOG_SCOPE = text(load_statement("rating/standing_totals", "backlog_scope"))


def backlog_scope(session: Session, customer_id: UUID | None, period: date | None) -> RatingScope:
    """The users' open months that the backlog covers, of a customer or all, in a period or any.

    The session must read it in the snapshot in which it reads the standing totals.
    """
    return scope_of(session, None if customer_id is None else [str(customer_id)], period)


def scope_of(
    session: Session,
    customer_ids: list[str] | None,
    period: date | None = None,
    is_taken: bool = False,
) -> RatingScope:
    """The users' open months that the backlog covers, of several customers or all.

    With `is_taken`, only those that this transaction has taken from the backlog.
    """
    rows = session.execute(
        _BACKLOG_SCOPE, {"customer_ids": customer_ids, "period": period, "is_taken": is_taken}
    )
    pairs: list[tuple[UUID, date]] = []
    user_keys: list[str | None] = []
    for customer_id, month, users in rows:
        for user_key in users or [None]:
            pairs.append((customer_id, month))
            user_keys.append(user_key)
    return RatingScope(pairs, user_keys=user_keys)
