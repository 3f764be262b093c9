"""/console/close: what closing a month would do, and the run that does it; /console/runs: all.

A run goes on after its answer was sent, whether the browser stays or not; where the service runs
as a function it ends before.
"""

from datetime import datetime, timedelta
from uuid import UUID

from fastapi import APIRouter, BackgroundTasks, Request
from fastapi.responses import HTMLResponse, Response

from common.closing.preview import month_to_close, preview
from common.closing.run_history import RunKey, run_progress, runs
from common.closing.runs import finish_run, start_run
from common.problems import FieldError, Invalid
from common.reports.dashboard import active_months
from services.reports.api.dependencies import Cursor, Now, Snapshot, period_of
from services.reports.api.pagination import from_cursor, to_cursor
from services.reports.console.forms import Form
from services.reports.console.pages import page, query, see_other

router = APIRouter()

RUNS_A_PAGE = 50
ACTOR = "console"
# A run closes a customer in seconds; one that has said nothing for so long was likely cut short.
_SILENCE = timedelta(minutes=5)


@router.get("/console/close", response_class=HTMLResponse)
def preview_close(
    request: Request, connection: Snapshot, now: Now, period: str | None = None
) -> HTMLResponse:
    """What each customer would be billed for the month, and what keeps it from being closed."""
    month = month_to_close(connection, now) if period is None else period_of(period)
    active = active_months(connection)
    return page(
        request,
        "close.html",
        "close",
        month=month,
        choices=active if month in active else sorted([*active, month], reverse=True),
        preview=preview(connection, month, now),
    )


@router.post("/console/close", response_class=HTMLResponse)
def start_close(request: Request, form: Form, background: BackgroundTasks) -> Response:
    """Starts a run for the chosen customers and sends the browser to where it can be watched."""
    period, chosen = period_of(form.get("period", "")), form.getlist("customer_id")
    if not chosen:
        raise Invalid(
            "no customer was chosen",
            [FieldError("/customer_id", "none_chosen", "choose at least one customer to close")],
        )
    if form.get("confirmed") != "true":
        raise Invalid(
            "the close was not confirmed",
            [FieldError("/confirmed", "missing", "tick that you have looked at the amounts")],
        )
    started = start_run(period, chosen, ACTOR)
    background.add_task(finish_run, started)
    watched = {"id": str(started.run_id), "of": str(len(started.customers))}
    return see_other(request, "console/run?" + query(watched))


@router.get("/console/run", response_class=HTMLResponse)
def show_run(
    request: Request, connection: Snapshot, now: Now, id: UUID, of: int | None = None
) -> HTMLResponse:
    """How far a run has come, or what came of it. `of`: how many customers it was started for."""
    progress = run_progress(connection, id)
    run = progress.past.run
    done = len(progress.closed) + len(progress.past.parked)
    return page(
        request,
        "run.html",
        "runs",
        run=run,
        progress=progress,
        status=_status(run.finished_at, progress.last_sign, now),
        done=done,
        of=of if of is not None and of >= done and of > 0 else None,
    )


@router.get("/console/runs", response_class=HTMLResponse)
def list_runs(
    request: Request, connection: Snapshot, now: Now, cursor: Cursor = None
) -> HTMLResponse:
    """Who closed what and when, the newest first."""
    after = None if cursor is None else from_cursor(cursor, RunKey)
    found = runs(connection, after, RUNS_A_PAGE + 1)
    shown = found[:RUNS_A_PAGE]
    last = shown[-1].run if len(found) > RUNS_A_PAGE else None
    return page(
        request,
        "runs.html",
        "runs",
        runs=[(each, _status(each.run.finished_at, each.run.started_at, now)) for each in shown],
        next_cursor=last and to_cursor(RunKey(last.started_at, last.run_id)),
    )


def _status(finished_at: datetime | None, last_sign: datetime, now: datetime) -> str:
    if finished_at is not None:
        return "finished"
    return "running" if now - last_sign < _SILENCE else "cut short"
