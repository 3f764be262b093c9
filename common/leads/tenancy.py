"""What a key of one customer may send, and may learn of what is stored: its own leads.

Invariant: an answer to such a key says nothing of another customer's lead but that its id is not
free.
"""

from dataclasses import replace
from uuid import UUID

from common.identifiers import customer_id
from common.leads.parsing import Posted
from common.leads.results import Result, Status
from common.problems import FieldError

_FOREIGN = FieldError(
    "/customer_id", "foreign_customer", "is not the customer that the key belongs to"
)
_TAKEN = FieldError("/lead_id", "lead_id_taken", "cannot be used: send the lead under another id")


def reject_foreign(posted: Posted, owner: UUID | None) -> Posted:
    """Refuses leads of other customers, each by itself. `owner` None owns them all."""
    if owner is None:
        return posted
    foreign = {
        index: lead
        for index, lead in posted.leads.items()
        if customer_id(lead.customer_id) != owner
    }
    refused = [
        Result(index, lead.lead_id, Status.INVALID, errors=[_FOREIGN])
        for index, lead in foreign.items()
    ]
    own = {index: lead for index, lead in posted.leads.items() if index not in foreign}
    return replace(posted, leads=own, refused=posted.refused + refused)


def is_redacted(result: Result) -> bool:
    """Whether a result was left without what it would tell of another customer's lead."""
    return result.errors == [_TAKEN]


def redact(results: list[Result], owner: UUID | None) -> list[Result]:
    """Takes out of conflicts what they would tell of a lead of another customer."""
    if owner is not None:
        for result in results:
            if result.status is Status.CONFLICT and any(
                error.pointer == "/customer_id" for error in result.errors
            ):
                result.errors = [_TAKEN]
    return results
