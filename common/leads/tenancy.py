"""What a key of one customer may send: its own leads.

A lead's id is its customer's own, so nothing that such a key sends can touch or find out another
customer's leads.
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
