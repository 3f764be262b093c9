"""Reconciliation: whether every stored action is on exactly one line."""

from common.closing import reconciliation
from services.reports.api.schemas.answer import Answer, of


class FinalAndDraft(Answer):
    """How many are on final reports, and how many on drafts."""

    final: int
    draft: int


class MisplacedAction(Answer):
    """An action that is not on exactly one line, or a line whose action is not stored."""

    lead_id: str | None = of("lead")
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
    def from_reconciliation(cls, result: reconciliation.Reconciliation) -> "Reconciliation":
        return cls(
            reconciled=result.is_reconciled,
            actions=result.actions,
            final_lines=result.final_lines,
            draft_lines=result.draft_lines,
            prior_period_lines=FinalAndDraft(
                final=result.final_prior_lines, draft=result.draft_prior_lines
            ),
            credit_lines=FinalAndDraft.model_validate(result.credits),
            misplaced_credit_count=result.credits.misplaced,
            misplaced_count=result.misplaced_count,
            misplaced=[MisplacedAction.model_validate(action) for action in result.misplaced],
        )
