"""Catching up: the standing totals take in what the backlog covers.

Invariant: only what was rated is deleted from the backlog, in the transaction that writes what it
came to. One transaction at a time catches up with a customer, in READ COMMITTED: it sees what the
one before it wrote. Reading needs no catching up; it only keeps reading cheap.
"""

from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from common.database.sql_loader import load_statement
from common.database.transactions import transaction
from common.rating.standing_totals.backlog import scope_of

_CUSTOMERS_AT_ONCE = 25
_LONGEST_RUN = {"longest_minutes": 10}  # that catching up in the background waits for


def _statement(name: str) -> TextClause:
    return text(load_statement("rating/standing_totals", name))


_IS_CLOSING = _statement("is_closing")
_CUSTOMERS_BEHIND = _statement("customers_behind")
_LOCK_RATING = _statement("lock_rating")
_TAKE_BACKLOG = _statement("take_backlog")
_CATCH_UP = _statement("catch_up")
_DELETE_TAKEN = _statement("delete_taken")
_DELETE_CLOSED_MONTHS = _statement("delete_closed_months")


def catch_up(customer_id: UUID | None = None, *, waits_for_closing: bool = False) -> int:
    """Brings the standing totals of a customer, or of all, up to date.

    Returns how many leads differed. Leaves out a customer whom somebody else catches up with at
    this moment. With `waits_for_closing`, stops while a billing run closes a month: the run rates
    the same actions, and what it closes needs no catching up.
    """
    asked = {"customer_id": customer_id and str(customer_id)}
    with transaction() as session:
        behind = [str(each) for each in session.scalars(_CUSTOMERS_BEHIND, asked)]
    changed = 0
    for start in range(0, len(behind), _CUSTOMERS_AT_ONCE):
        with transaction() as session:
            if waits_for_closing and session.scalar(_IS_CLOSING, _LONGEST_RUN):
                break
            changed += catch_up_with(session, behind[start : start + _CUSTOMERS_AT_ONCE])
    return changed


def catch_up_with(session: Session, customer_ids: list[str]) -> int:
    """Catches up with these customers, and returns how many leads differed.

    The session's transaction must be READ COMMITTED and new.
    """
    # In a statement of its own: what is rated must be seen after the lock is had.
    locked = session.scalars(_LOCK_RATING, {"customer_ids": customer_ids})
    customers = {"customer_ids": [str(customer_id) for customer_id in locked]}
    if not customers["customer_ids"]:
        return 0
    session.execute(_TAKE_BACKLOG, customers)
    scope = scope_of(session, customers["customer_ids"], is_taken=True)
    changed = session.scalar(_CATCH_UP, scope.parameters()) if scope.pairs else 0
    session.execute(_DELETE_TAKEN, customers)
    session.execute(_DELETE_CLOSED_MONTHS, customers)
    return changed or 0
