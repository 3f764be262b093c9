"""Reconciliation: whether every action is on exactly one report, final or draft."""

from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from common.database.sql_loader import load_statement
from common.disputes.credits import CreditCount, count_credits
from common.rating.periods import RatingScope, active_periods

_RECONCILE = text(load_statement("closing", "reconcile"))
_MAX_NAMED = 100  # of the misplaced actions


class MisplacedAction(NamedTuple):
    """An action that is not on exactly one line, or a line whose action is not stored."""

    lead: str | None
    action_id: str
    is_stored: bool
    places: int

    @property
    def detail(self) -> str:
        if not self.is_stored:
            return f"is on {self.places} lines, but is not stored"
        return f"is on {self.places} lines" if self.places else "is on no line"


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """How many lines of each kind there are, which actions are misplaced, and how many lines are
    credited."""

    actions: int
    final_lines: int
    final_prior_lines: int
    draft_lines: int
    draft_prior_lines: int
    misplaced_count: int
    misplaced: list[MisplacedAction]
    credits: CreditCount

    @property
    def is_reconciled(self) -> bool:
        return not self.misplaced_count and not self.credits.misplaced


def reconcile(session: Session, customer_id: UUID | None) -> Reconciliation:
    """Checks that each stored action, of one customer or all, is on exactly one line.

    The line stands on a final report or on a draft, which is rated for this. Checks also that each
    credit has an accepted dispute, and a line that billed as much.
    """
    pairs = active_periods(session, customer_id, None, None)
    row = session.execute(
        _RECONCILE,
        RatingScope(pairs).parameters()
        | {"customer_id": customer_id and str(customer_id), "max_named": _MAX_NAMED},
    ).one()
    return Reconciliation(
        row.actions,
        row.final_lines,
        row.final_prior_lines,
        row.draft_lines,
        row.draft_prior_lines,
        row.misplaced_count,
        [MisplacedAction(**action) for action in row.misplaced],
        count_credits(session, customer_id),
    )
