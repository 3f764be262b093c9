"""/console/close: what closing would do, of a month or of all up to one, and starting the runs.

The runs continue after the answer, with or without the browser. If the service runs as a function,
they end before the answer.
"""

from collections.abc import Sequence

from fastapi import BackgroundTasks, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.orm import Session

from common.billing_period import Period
from common.closing.preview import month_to_close, preview, preview_through, unclosed_months
from common.closing.runs import StartedRun, finish_run, start_run
from common.database.transactions import snapshot
from common.problems import FieldError, Invalid
from common.rating.periods import active_periods
from common.reports.dashboard import months_of
from services.reports.api.dependencies import Now, Snapshot, period_of
from services.reports.console.forms import Form
from services.reports.console.pages import page, see_other
from services.reports.http.routes import Router
from services.reports.render.templates import query

router = Router()

ACTOR = "console"


@router.get("/console/close", response_class=HTMLResponse)
def preview_close(
    request: Request,
    session: Snapshot,
    now: Now,
    period: str | None = None,
    through: str | None = None,
) -> HTMLResponse:
    """What each customer would be billed, and why a month cannot be closed yet.

    Of one month, or with `through` of all open months up to that one.
    """
    if through is not None:
        last = period_of(through, "through")
        previews = preview_through(session, last, now)
    else:
        last = month_to_close(session, now) if period is None else period_of(period)
        previews = {last: preview(session, last, now)}
    with_actions = active_periods(session, None, None, None)
    active = months_of(with_actions)
    over = [month for month, _ in unclosed_months(session, with_actions, now)]
    prospects = [each for shown in previews.values() for each in shown.ready]
    return page(
        request,
        "close.html",
        "Close a month",
        month=last,
        months=list(previews),
        is_through=through is not None,
        choices=active if last in active else sorted([*active, last], reverse=True),
        previews=previews,
        prospects=prospects,
        customers={each.customer.external_id: each.customer for each in prospects},
        already_closed=previews[last].already_closed if last in previews else 0,
        over=over,
    )


@router.post("/console/close", response_class=HTMLResponse)
def start_close(request: Request, form: Form, now: Now, background: BackgroundTasks) -> Response:
    """Starts the runs for the chosen customers and redirects to the page of their progress."""
    chosen, through = form.getlist("customer_id"), form.get("through")
    last = period_of(form.get("period", "")) if through is None else period_of(through, "through")
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
    if through is None:
        months = {last: chosen}
    else:
        with snapshot() as session:
            months = _months_through(session, last, now, set(chosen))
    started = [start_run(month, customers, ACTOR) for month, customers in months.items()]
    background.add_task(_finish_in_order, started)
    progress = {
        "id": ",".join(str(run.run_id) for run in started),
        "of": sum(len(run.customers) for run in started),
    }
    return see_other(request, "console/run?" + query(progress))


def _months_through(
    session: Session, last: Period, now: Now, chosen: set[str]
) -> dict[Period, list[str]]:
    """The months to close, oldest first, each with the chosen customers that are ready in it."""
    months = {
        month: [
            each.customer.external_id for each in shown.ready if each.customer.external_id in chosen
        ]
        for month, shown in preview_through(session, last, now).items()
    }
    if not any(months.values()):
        raise Invalid("nothing is left to close", [FieldError("/through", "closed", "is closed")])
    return {month: customers for month, customers in months.items() if customers}


def _finish_in_order(started: Sequence[StartedRun]) -> None:
    for run in started:
        finish_run(run)
