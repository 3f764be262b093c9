"""/console/close: what closing a month would do, and starting the run that does it.

The run continues after the answer, with or without the browser. If the service runs as a function,
the run ends before the answer.
"""

from fastapi import BackgroundTasks, Request
from fastapi.responses import HTMLResponse, Response

from common.closing.preview import month_to_close, preview
from common.closing.runs import finish_run, start_run
from common.problems import FieldError, Invalid
from common.reports.dashboard import active_months
from services.reports.api.dependencies import Now, Snapshot, period_of
from services.reports.console.forms import Form
from services.reports.console.pages import page, see_other
from services.reports.http.routes import Router
from services.reports.render.templates import query

router = Router()

ACTOR = "console"


@router.get("/console/close", response_class=HTMLResponse)
def preview_close(
    request: Request, session: Snapshot, now: Now, period: str | None = None
) -> HTMLResponse:
    """What each customer would be billed for the month, and why it cannot be closed yet."""
    month = month_to_close(session, now) if period is None else period_of(period)
    active = active_months(session)
    return page(
        request,
        "close.html",
        "Close a month",
        month=month,
        choices=active if month in active else sorted([*active, month], reverse=True),
        preview=preview(session, month, now),
    )


@router.post("/console/close", response_class=HTMLResponse)
def start_close(request: Request, form: Form, background: BackgroundTasks) -> Response:
    """Starts a run for the chosen customers and redirects to the page that shows its progress."""
    period, chosen = period_of(form.get("period", "")), form.getlist("customer_id")
    if not chosen:
        raise Invalid(
            "no customer was chosen",
            [FieldError("/customer_id", "none_chosen", "choose at least one customer to close")],
        )
    if form.get("confirmed") != "true":
        raise Invalid(
            "the close was not confirmed",
            [FieldError("/confirmed", "missing", "tick that you have reviewed the amounts")],
        )
    started = start_run(period, chosen, ACTOR)
    background.add_task(finish_run, started)
    progress = {"id": started.run_id, "of": len(started.customers)}
    return see_other(request, "console/run?" + query(progress))
