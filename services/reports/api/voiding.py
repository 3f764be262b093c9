"""/leads/{lead_id}/void: taking back what was sent by mistake."""

from common.disputes.search import disputes_of_lead
from common.reports.lead_history import lead_lines
from common.request_model import Id
from common.voiding.schemas import NewVoid
from common.voiding.void import void_actions, voided_actions
from services.reports.api.dependencies import Transaction
from services.reports.api.schemas.leads import RatedLead
from services.reports.http.routes import Router

router = Router(prefix="/leads", tags=["leads"])


@router.post("/{lead_id:id}/void")
def void_lead(session: Transaction, lead_id: Id, body: NewVoid) -> RatedLead:
    """Voids actions that were sent by mistake: all of a lead, or some.

    A voided action is rated nowhere, as if it had never been sent, and sending it again does not
    bring it back (`voided`). Voiding again changes nothing. An action of a closed period is refused
    (409): open a dispute instead.
    """
    lead = void_actions(session, lead_id, body)
    return RatedLead.from_lines(
        lead,
        lead_lines(session, lead),
        disputes_of_lead(session, lead.customer_id, lead.lead_id),
        voided_actions(session, lead),
    )
