"""/console/statement: a long PDF statement, with its progress.

Invariant: nothing is kept between requests; the answer with the progress ends with the PDF.
"""

from dataclasses import replace

from fastapi import Request
from fastapi.responses import HTMLResponse, StreamingResponse

from common.catalog.customers import get_customer
from common.reports.months import find_month
from common.request_model import Id
from services.reports.api.dependencies import Snapshot, period_of
from services.reports.console.pages import page
from services.reports.http.routes import Router
from services.reports.render.masking import with_masked_users
from services.reports.render.pdf.statement import render_with_progress
from services.reports.report_loader import load_report

router = Router()


@router.get("/console/statement", response_class=HTMLResponse)
def show_statement(
    request: Request, session: Snapshot, customer_id: Id, period: str
) -> HTMLResponse:
    """The page that requests the statement and offers it."""
    customer = get_customer(session, customer_id)
    return page(request, "statement.html", "Reports", customer=customer, period=period_of(period))


@router.get("/console/statement/progress")
def make_statement(session: Snapshot, customer_id: Id, period: str) -> StreamingResponse:
    """The PDF, after rows of text with the number of drawn lines."""
    month = find_month(session, customer_id, period_of(period))
    report, _ = load_report(session, month)
    whole = replace(report, lines=list(report.lines))  # the session ends before the answer begins
    return StreamingResponse(
        render_with_progress(with_masked_users(whole)),
        media_type="application/octet-stream",
    )
