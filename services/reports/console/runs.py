"""/console/runs: who closed what and when; /console/run: the progress of runs of one go."""

from datetime import datetime, timedelta
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request
from fastapi.responses import HTMLResponse

from common.closing.run_history import RunProgress, past_runs, run_progress
from services.reports.api.dependencies import Cursor, Now, Snapshot
from services.reports.api.pagination import RUNS
from services.reports.console.pages import list_page, page
from services.reports.http.routes import Router

router = Router()

RUNS_A_PAGE = 50
MAX_RUNS = 120  # ten years of months, closed at once
_ID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
RUN_IDS = f"^{_ID}(,{_ID}){{0,{MAX_RUNS - 1}}}$"
# A run closes a customer in seconds. A run that shows no progress for so long was cut short.
_SILENCE = timedelta(minutes=5)


@router.get("/console/run", response_class=HTMLResponse)
def show_run(
    request: Request,
    session: Snapshot,
    now: Now,
    id: Annotated[str, Query(pattern=RUN_IDS)],
    of: int | None = None,
) -> HTMLResponse:
    """The progress or the result of a run, or of several that were started at once, in order.

    `id`: their ids, with commas between. `of`: how many customers' months they were started for.
    """
    runs = [run_progress(session, UUID(run_id)) for run_id in id.split(",")]
    done = sum(len(progress.closed) + len(progress.past.parked) for progress in runs)
    last_sign = max(progress.last_sign for progress in runs)
    unfinished = [progress for progress in runs if progress.past.run.finished_at is None]
    return page(
        request,
        "run.html",
        "Billing runs",
        runs=runs,
        first=runs[0].past.run,
        last=runs[-1].past.run,
        last_sign=last_sign,
        status=_status(None if unfinished else last_sign, last_sign, now),
        due_cents=sum(progress.past.sums.due_cents for progress in runs),
        closed=sum(len(progress.closed) for progress in runs),
        already_closed=sum(progress.past.run.already_closed for progress in runs),
        parked=sum(_parked(progress) for progress in runs),
        seconds=sum(progress.past.duration_seconds or 0 for progress in runs),
        done=done,
        of=of if of is not None and of >= done and of > 0 else None,
    )


def _parked(progress: RunProgress) -> int:
    """How many customers a run parked, also if a later one has closed them."""
    run = progress.past.run
    return len(progress.past.parked) if run.finished_at is None else run.failed


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
