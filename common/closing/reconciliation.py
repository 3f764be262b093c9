"""Reconciliation: whether every action is on exactly one report, final or draft."""

from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text

from common.database.sql_loader import load_statement
from common.disputes.credits import CreditCount, count_credits
from common.rating.active_periods import active_periods
from common.rating.rated_lines import RATED
from common.rating.scope import Scope

_RECONCILE = text(f"with {RATED},\n" + load_statement("closing", "reconcile"))
_MAX_NAMED_ACTIONS = 100


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
    """How many lines there are of each kind, which actions are not on exactly one, and how many
    lines are credited."""

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


def reconcile(connection: Connection, customer_id: UUID | None) -> Reconciliation:
    """Demands of each stored action, of one customer or all, that it is on exactly one line.

    A final line, a draft line, or a prior-period line; drafts are decided for it, not assumed.
    And of each credit that its dispute was accepted and that its line had billed as much.
    """
    pairs = active_periods(connection, customer_id, None, None)
    row = connection.execute(
        _RECONCILE,
        Scope(pairs).parameters()
        | {"customer_id": customer_id and str(customer_id), "most": _MAX_NAMED_ACTIONS},
    ).one()
    return Reconciliation(
        row.action_count,
        row.final_lines,
        row.final_prior_lines,
        row.draft_lines,
        row.draft_prior_lines,
        row.differing_count,
        [MisplacedAction(**each) for each in row.differing],
        count_credits(connection, customer_id),
    )
