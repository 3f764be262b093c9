"""/console/runs: who closed what and when; /console/run: one run, and how far it is."""

from datetime import datetime, timedelta
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from common.closing.run_history import RunKey, run_progress, runs
from services.reports.api.dependencies import Cursor, Now, Snapshot
from services.reports.api.pagination import cut_page, from_cursor, to_cursor
from services.reports.console.pages import page

router = APIRouter()

RUNS_A_PAGE = 50
# A run closes a customer in seconds; a run without a sign for so long was likely cut short.
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
        "runs",
        run=run,
        progress=progress,
        status=_status(run.finished_at, progress.last_sign, now),
        done=done,
        of=of if of is not None and of >= done and of > 0 else None,
    )


@router.get("/console/runs", response_class=HTMLResponse)
def list_runs(request: Request, session: Snapshot, now: Now, cursor: Cursor = None) -> HTMLResponse:
    """Who closed what and when, newest first."""
    after = None if cursor is None else from_cursor(cursor, RunKey)
    found = runs(session, after, RUNS_A_PAGE + 1)
    shown, last = cut_page(found, RUNS_A_PAGE)
    return page(
        request,
        "runs.html",
        "runs",
        runs=[(each, _status(each.run.finished_at, each.run.started_at, now)) for each in shown],
        next_cursor=last and to_cursor(RunKey(last.run.started_at, last.run.run_id)),
    )


def _status(finished_at: datetime | None, last_sign: datetime, now: datetime) -> str:
    if finished_at is not None:
        return "finished"
    return "running" if now - last_sign < _SILENCE else "cut short"
