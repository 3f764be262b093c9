"""/console/statement: a long PDF statement while it is made, for the person who waits for it.

Invariant: nothing is kept between requests; what tells how far it is brings the PDF too.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, StreamingResponse
from sqlalchemy import Connection

from common.billing_period import Period
from common.catalog.customers import get_customer
from common.catalog.models import Customer
from common.request_model import Id
from services.reports.api.dependencies import Snapshot, period_of
from services.reports.console.pages import page
from services.reports.render.masking import with_masked_users
from services.reports.render.pdf.statement import render_with_progress
from services.reports.report_loader import report_of

router = APIRouter()


class _Month:
    """A customer and a month, as the query names them."""

    def __init__(self, connection: Snapshot, customer_id: Id, period: str) -> None:
        self.connection: Connection = connection
        self.customer: Customer = get_customer(connection, customer_id)
        self.period: Period = period_of(period)


_Asked = Annotated[_Month, Depends()]


@router.get("/console/statement", response_class=HTMLResponse)
def show_statement(request: Request, asked: _Asked) -> HTMLResponse:
    """The page that has the statement made, and offers it."""
    return page(request, "statement.html", "reports", customer=asked.customer, period=asked.period)


@router.get("/console/statement/progress")
def make_statement(asked: _Asked) -> StreamingResponse:
    """The PDF behind rows of text that tell how many lines are drawn."""
    report = report_of(asked.connection, asked.customer, asked.period)
    return StreamingResponse(
        render_with_progress(with_masked_users(report)),
        media_type="application/octet-stream",
    )
