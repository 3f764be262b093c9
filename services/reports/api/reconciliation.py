"""/billing/reconciliation: whether every stored action is on exactly one line."""

from common.catalog.customers import get_customer
from common.catalog.filters import require_registered
from common.closing.reconciliation import reconcile
from common.request_model import Id
from services.reports.api.dependencies import Snapshot
from services.reports.api.schemas.reconciliation import Reconciliation
from services.reports.http.routes import Router

router = Router(prefix="/billing/reconciliation", tags=["billing runs"])


@router.get("")
def show_reconciliation(session: Snapshot, customer_id: Id | None = None) -> Reconciliation:
    """Whether every stored action is on exactly one line: final, draft, or prior-period.

    And whether each credit is at most what its line had billed, for an accepted dispute. Rates
    every open month, so it takes as long as all drafts together.
    """
    require_registered(session, customer_id=customer_id)
    owner = None if customer_id is None else get_customer(session, customer_id).customer_id
    return Reconciliation.from_reconciliation(reconcile(session, owner))
