"""/billing/periods and /billing/runs: closing a month, and who closed what and when."""

from functools import partial

from common.closing.run_history import past_runs
from common.closing.runs import run_billing
from common.problems import Conflict
from services.reports.api.dependencies import Cursor, PageSize, Snapshot, period_of
from services.reports.api.pagination import RUNS
from services.reports.api.schemas.billing_runs import BillingRun, CloseBody, RunList
from services.reports.http.routes import Router

router = Router(prefix="/billing", tags=["billing runs"])


@router.post("/periods/{period}/close")
def close(period: str, body: CloseBody | None = None) -> BillingRun:
    """Makes a month final: for the named customers, or for all with actions or reports.

    Closing again changes nothing. A customer that cannot be closed is parked with its reason, and
    the other customers are closed; if no customer could be closed, the answer is 409.
    """
    body = body or CloseBody()
    run = run_billing(period_of(period), body.customer_ids, body.actor)
    answer = BillingRun.from_run(run)
    if run.failure is not None:
        raise Conflict(run.failure, extra=answer.model_dump(mode="json"))
    return answer


@router.get("/runs")
def list_runs(session: Snapshot, limit: PageSize = 50, cursor: Cursor = None) -> RunList:
    """Who closed what and when, newest first, with counts, totals and duration.

    `totals` are of the own lines of the reports that the run made final; with
    `prior_period_billed` and `credits`, which are below zero, their `billed` is what became `due`.
    `parked` are the customers that neither the run nor a later one could close. A run without
    `finished_at` is running, or was cut short: what it closed is closed.
    """
    return RUNS.answer(RunList, partial(past_runs, session), cursor, limit)
