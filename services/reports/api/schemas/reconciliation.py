"""Reconciliation: whether every stored action is on exactly one line."""

from common.closing import reconciliation
from services.reports.api.schemas.answer import Answer


class FinalAndDraft(Answer):
    """How many are on final reports, and how many on drafts."""

    final: int
    draft: int


class MisplacedAction(Answer):
    """An action that is not on exactly one line, or a line whose action is not stored."""

    lead_id: str | None
    action_id: str
    detail: str


class Reconciliation(Answer):
    """How many lines there are of each kind, and what is not on exactly one."""

    reconciled: bool
    actions: int
    final_lines: int
    draft_lines: int
    prior_period_lines: FinalAndDraft
    credit_lines: FinalAndDraft
    misplaced_credit_count: int
    misplaced_count: int
    misplaced: list[MisplacedAction]

    @classmethod
    def from_reconciliation(cls, found: reconciliation.Reconciliation) -> "Reconciliation":
        return cls(
            reconciled=found.is_reconciled,
            actions=found.actions,
            final_lines=found.final_lines,
            draft_lines=found.draft_lines,
            prior_period_lines=FinalAndDraft(
                final=found.final_prior_lines, draft=found.draft_prior_lines
            ),
            credit_lines=FinalAndDraft(final=found.credits.final, draft=found.credits.draft),
            misplaced_credit_count=found.credits.misplaced,
            misplaced_count=found.misplaced_count,
            misplaced=[
                MisplacedAction(
                    lead_id=action.lead, action_id=action.action_id, detail=action.detail
                )
                for action in found.misplaced
            ],
        )
