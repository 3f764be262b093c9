"""/lead-types."""

from common.catalog import lead_types
from services.reports.api.dependencies import Snapshot
from services.reports.api.schemas.lead_types import LeadTypeList
from services.reports.http.routes import Router

router = Router(prefix="/lead-types", tags=["lead types"])


@router.get("")
def list_lead_types(session: Snapshot) -> LeadTypeList:
    """The kinds of lead that are accepted, by name, in one page."""
    return LeadTypeList.model_validate(
        {"data": [{"lead_type": name} for name in lead_types.list_lead_types(session)]}
    )
