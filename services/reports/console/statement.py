"""/console/statement: a long PDF statement, with its progress.

Invariant: nothing is kept between requests; the answer with the progress ends with the PDF.
"""

from dataclasses import replace

from fastapi import Request
from fastapi.responses import HTMLResponse, Response, StreamingResponse

from common.catalog.customers import get_customer
from common.problems import AnswerTooLarge
from common.reports.months import Month, find_month
from common.request_model import Id
from services.reports.api.dependencies import Snapshot, period_of
from services.reports.console.pages import page, see_other
from services.reports.http.content_negotiation import PDF
from services.reports.http.routes import Router
from services.reports.render.formatting import report_path
from services.reports.render.masking import with_masked_users
from services.reports.render.pdf.statement import render_with_progress
from services.reports.report_files import require_answerable, up_to_an_answer
from services.reports.report_loader import load_report

router = Router()


@router.get("/console/statement", response_class=HTMLResponse)
def show_statement(request: Request, session: Snapshot, customer_id: Id, period: str) -> Response:
    """The page that requests the statement and offers it; one too large is made as an export."""
    customer = get_customer(session, customer_id)
    month = find_month(session, customer_id, period_of(period), counts_doubts=False)
    try:
        require_answerable(session, month, PDF)
    except AnswerTooLarge:
        return _to_the_pdf(request, month)
    return page(request, "statement.html", "Reports", customer=customer, period=month.period)


@router.get("/console/statement/progress")
def make_statement(request: Request, session: Snapshot, customer_id: Id, period: str) -> Response:
    """The PDF, after rows of text with the number of drawn lines.

    Of one that is too large the end is missing: the page notices that, and offers the export.
    """
    month = find_month(session, customer_id, period_of(period))
    try:
        require_answerable(session, month, PDF)
    except AnswerTooLarge:
        return _to_the_pdf(request, month)
    report, _ = load_report(session, month)
    whole = replace(report, lines=list(report.lines))  # the session ends before the answer begins
    return StreamingResponse(
        up_to_an_answer(render_with_progress(with_masked_users(whole))),
        media_type="application/octet-stream",
    )


def _to_the_pdf(request: Request, month: Month) -> Response:
    """Leads to the file, which leads to its export."""
    address = report_path(month.customer.external_id, month.period)
    return see_other(request, f"{address.removeprefix('/')}.pdf")
