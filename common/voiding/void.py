"""Voiding: taking back actions of open periods that were sent by mistake.

Invariant: a voided action is rated nowhere, as if it had never been sent, and stays voided
(docs/billing-rules.md, Void). A void does all that it says, or nothing.
"""

from datetime import date
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from common.audit_log import record_change
from common.billing_period import Period
from common.database.locks import lock_customer
from common.database.sql_loader import load_statement
from common.leads.models import Lead
from common.leads.search import find_lead
from common.problems import Conflict, FieldError, Invalid, NotFound
from common.voiding.models import VoidedAction
from common.voiding.schemas import NewVoid

_ACTIONS = text(load_statement("voiding", "actions_of_lead"))
_VOID = text(load_statement("voiding", "void_actions"))
_MAX_ERRORS = 100


def void_actions(session: Session, lead_id: str, asked: NewVoid) -> Lead:
    """Voids all actions of a lead, or those that are named; the lead.

    To void an action again changes nothing. Raises NotFound for a lead that is not stored, Invalid
    for an action that it never had, and Conflict if an action is of a closed period or disputed, or
    if several customers have such a lead.
    """
    lead = find_lead(session, lead_id, asked.customer_id, "/customer_id")
    if lead is None:
        raise NotFound(f"no lead {lead_id!r} is stored")
    # In a statement of its own: the next one's snapshot must come after the wait.
    lock_customer(session, lead.customer_id)
    wanted = _wanted(session, lead, asked)
    errors = [error for pointer, action in wanted if (error := action.refusal(pointer))]
    if errors:
        raise Conflict(
            f"nothing of lead {lead.external_id!r} was voided: {errors[0].detail}",
            errors[:_MAX_ERRORS],
        )
    if wanted:
        _void(session, lead, [action.action_id for _, action in wanted], asked.reason)
    return lead


def voided_actions(session: Session, lead: Lead) -> list[VoidedAction]:
    """The voided actions of a lead, in the order in which they happened."""
    query = (
        select(VoidedAction)
        .where(VoidedAction.customer_id == lead.customer_id, VoidedAction.lead_id == lead.lead_id)
        .order_by(VoidedAction.timestamp, VoidedAction.action_id)
    )
    return list(session.scalars(query))


def voidable_actions(session: Session, lead: Lead) -> set[UUID]:
    """The actions of a lead that can be voided now."""
    actions = _stored_actions(session, lead)
    return {action.action_id for action in actions if action.refusal("") is None}


class _StoredAction(NamedTuple):
    """An action of the lead, with what prevents voiding it."""

    action_id: UUID
    period: date
    is_closed: bool
    is_disputed: bool

    def refusal(self, pointer: str) -> FieldError | None:
        """Why the action cannot be voided, or None."""
        action = f"action {self.action_id}"
        if self.is_closed:
            month = Period(self.period)
            detail = f"{action} is of {month}, which is closed: open a dispute instead"
            return FieldError(pointer, "period_closed", detail)
        if self.is_disputed:
            detail = f"{action} has an open or accepted dispute, which corrects it instead"
            return FieldError(pointer, "already_disputed", detail)
        return None


def _stored_actions(session: Session, lead: Lead) -> list[_StoredAction]:
    parameters = {"customer_id": str(lead.customer_id), "lead_id": str(lead.lead_id)}
    return [_StoredAction(*row) for row in session.execute(_ACTIONS, parameters)]


def _wanted(session: Session, lead: Lead, asked: NewVoid) -> list[tuple[str, _StoredAction]]:
    """The actions to void, each behind the pointer that leads to what asks for it."""
    stored = {action.action_id: action for action in _stored_actions(session, lead)}
    if asked.action_ids is None:
        return [("", action) for action in stored.values()]
    known = stored.keys() | {action.action_id for action in voided_actions(session, lead)}
    unknown = [
        FieldError(f"/action_ids/{place}", "unknown_action", "the lead has no such action")
        for place, action_id in enumerate(asked.action_ids)
        if action_id not in known
    ]
    if unknown:
        raise Invalid("the void was refused", unknown[:_MAX_ERRORS])
    return [
        (f"/action_ids/{place}", stored[action_id])
        for place, action_id in enumerate(asked.action_ids)
        if action_id in stored
    ]


def _void(session: Session, lead: Lead, action_ids: list[UUID], reason: str) -> None:
    distinct = sorted(set(action_ids))
    voided = session.scalar(
        _VOID,
        {
            "customer_id": str(lead.customer_id),
            "lead_id": str(lead.lead_id),
            "action_ids": [str(action_id) for action_id in distinct],
            "reason": reason,
        },
    )
    if voided != len(distinct):  # a second look at closed periods, by the database
        raise Conflict("an action is of a closed period: open a dispute instead")
    after = {
        "customer_id": lead.customer.external_id,
        "actions": voided,
        "action_ids": [str(action_id) for action_id in distinct],
    }
    record_change(session, "voided", "lead", lead.external_id, after=after)
