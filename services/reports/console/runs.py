"""/console/runs: who closed what and when; /console/run: one run, and its progress."""

from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from fastapi import Request
from fastapi.responses import HTMLResponse

from common.closing.run_history import past_runs, run_progress
from services.reports.api.dependencies import Cursor, Now, Snapshot
from services.reports.api.pagination import RUNS
from services.reports.console.pages import list_page, page
from services.reports.http.routes import Router

router = Router()

RUNS_A_PAGE = 50
# A run closes a customer in seconds. A run that shows no progress for so long was cut short.
_SILENCE = timedelta(minutes=5)


@router.get("/console/run", response_class=HTMLResponse)
def show_run(
    request: Request, session: Snapshot, now: Now, id: UUID, of: int | None = None
) -> HTMLResponse:
    """The progress or the result of a run. `of`: how many customers it was started for."""
    progress = run_progress(session, id)
    run = progress.past.run
    done = len(progress.closed) + len(progress.past.parked)
    return page(
        request,
        "run.html",
        "Billing runs",
        run=run,
        progress=progress,
        status=_status(run.finished_at, progress.last_sign, now),
        done=done,
        of=of if of is not None and of >= done and of > 0 else None,
    )


@router.get("/console/runs", response_class=HTMLResponse)
def list_runs(request: Request, session: Snapshot, now: Now, cursor: Cursor = None) -> HTMLResponse:
    """Who closed what and when, newest first."""
    listed = RUNS.page(partial(past_runs, session), cursor, RUNS_A_PAGE)
    return list_page(
        request,
        "runs.html",
        "Billing runs",
        listed,
        status_of=lambda run: _status(run.finished_at, run.started_at, now),
    )


def _status(finished_at: datetime | None, last_sign: datetime, now: datetime) -> str:
    if finished_at is not None:
        return "finished"
    return "running" if now - last_sign < _SILENCE else "cut short"
