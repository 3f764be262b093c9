"""/billing/reports/.../deliveries: the mails with a statement, and asking for one more."""

from common.delivery.deliveries import list_deliveries, send_again
from common.problems import NotFound
from common.reports.months import find_month
from common.request_model import Id
from services.reports.api.dependencies import Snapshot, Transaction, period_of
from services.reports.api.schemas.deliveries import StatementDelivery, StatementDeliveryList
from services.reports.http.routes import Router

router = Router(prefix="/billing/reports", tags=["reports"])


@router.get("/{customer_id:id}/{period}/deliveries")
def list_report_deliveries(
    session: Snapshot, customer_id: Id, period: str
) -> StatementDeliveryList:
    """The mails of a final report, the newest first."""
    month = find_month(session, customer_id, period_of(period))
    if month.final is None:
        raise NotFound(f"customer {customer_id!r} has no final report of {period}")
    found = list_deliveries(session, month.final.customer_id, month.final.report_id)
    return StatementDeliveryList(
        data=[StatementDelivery.model_validate(delivery) for delivery in found]
    )


@router.post("/{customer_id:id}/{period}/deliveries", status_code=202)
def send_report_again(session: Transaction, customer_id: Id, period: str) -> StatementDelivery:
    """Has a final report sent once more, to the customer's billing email of now."""
    return StatementDelivery.model_validate(send_again(session, customer_id, period_of(period)))
