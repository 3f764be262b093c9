"""Billing runs: the result of one run, and the history of all runs."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from common.closing import runs
from common.request_model import Id, RequestModel
from services.reports.api.schemas.answer import Amount, Answer, Month, Page, Uuid, of
from services.reports.api.schemas.totals import Totals


class CloseBody(RequestModel):
    """The customers to close; without `customer_ids`, all that have actions or reports."""

    customer_ids: Annotated[list[Id], Field(min_length=1, max_length=10_000)] | None = None
    actor: Annotated[Id, Field(description="Who asks for it, for the run history.")] = "api"


class CustomerResult(Answer):
    """What a run did about one customer; `reason` says why it could not close the period."""

    customer_id: str
    status: runs.Closing = of("closing")
    due: Amount = of("month", "due_cents")
    reason: str | None


class BillingRun(Answer):
    """What a run has closed."""

    run_id: str
    period: str
    closed: int
    already_closed: int
    failed: int
    due: Amount
    results: list[CustomerResult]

    @classmethod
    def from_run(cls, run: runs.RunResult) -> "BillingRun":
        return cls(
            run_id=str(run.run_id),
            period=str(run.period),
            closed=run.count(runs.Closing.CLOSED),
            already_closed=run.count(runs.Closing.ALREADY_CLOSED),
            failed=run.count(runs.Closing.FAILED),
            due=run.total.due_cents,
            results=[CustomerResult.model_validate(result) for result in run.results],
        )


class ParkedCustomer(Answer):
    """A customer whose period could not be closed, and why."""

    customer_id: str = of("customer")
    reason: str
    parked_at: datetime


class PastRun(Answer):
    """A billing run in the history, with the customers that no later run has closed."""

    run_id: Uuid = of("run", "run_id")
    period: Month = of("run", "period")
    actor: str = of("run", "actor")
    started_at: datetime = of("run", "started_at")
    finished_at: datetime | None = of("run", "finished_at")
    duration_seconds: float | None
    closed: int = of("sums", "reports")
    already_closed: int = of("run", "already_closed")
    failed: int = of("run", "failed")
    totals: Totals = of("sums", "totals")
    prior_period_billed: Amount = of("sums", "prior_billed_cents")
    credits: Amount = of("sums", "credit_cents")
    due: Amount = of("sums", "due_cents")
    parked: list[ParkedCustomer]


class RunList(Page[PastRun]):
    """A page of the history, newest first."""
