"""/console/delivery: sending a statement again, from its report's page."""

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from common.delivery.deliveries import send_again
from common.problems import Problem
from common.request_model import Id
from services.reports.api.dependencies import period_of
from services.reports.console.forms import Form, attempted, parsed
from services.reports.console.pages import see_other
from services.reports.http.routes import Router
from services.reports.render.formatting import report_path

router = Router()


class _Asked(BaseModel):
    """The report that the form names."""

    customer_id: Id
    period: str


@router.post("/console/delivery", response_class=HTMLResponse)
def post_delivery(request: Request, form: Form) -> Response:
    asked = parsed(_Asked, form)
    period = period_of(asked.period)

    def send(session: Session) -> None:
        send_again(session, asked.customer_id, period)

    result = attempted(send)
    if isinstance(result, Problem):
        raise result
    return see_other(request, f"{report_path(asked.customer_id, period)[1:]}.html#delivery")
