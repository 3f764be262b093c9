"""Billing runs: what one has just closed, and the history of all."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from common.billing_period import Period
from common.closing import run_history, runs
from common.money import amount
from common.request_model import Id, RequestModel
from services.reports.api.schemas.answer import Amount, Answer, Page
from services.reports.api.schemas.totals import Totals


class CloseBody(RequestModel):
    """Whose month to close; without `customer_ids` that of all with actions or reports."""

    customer_ids: Annotated[list[Id], Field(min_length=1, max_length=10_000)] | None = None
    actor: Annotated[Id, Field(description="Who asks for it, for the run history.")] = "api"


class CustomerResult(Answer):
    """What a run did about one customer; `reason` says why it could not close the period."""

    customer_id: str
    status: runs.Closing
    due: Amount
    reason: str | None

    @classmethod
    def from_result(cls, result: runs.CustomerResult) -> "CustomerResult":
        return cls(
            customer_id=result.customer_id,
            status=result.closing,
            due=amount(result.month.due_cents),
            reason=result.reason,
        )


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
            due=amount(run.total.due_cents),
            results=[CustomerResult.from_result(result) for result in run.results],
        )


class ParkedCustomer(Answer):
    """A customer whose period could not be closed, and why."""

    customer_id: str
    reason: str
    parked_at: datetime


class PastRun(Answer):
    """A billing run in the history, with the customers that no later run has closed."""

    run_id: str
    period: str
    actor: str
    started_at: datetime
    finished_at: datetime | None
    duration_seconds: float | None
    closed: int
    already_closed: int
    failed: int
    totals: Totals
    prior_period_billed: Amount
    credits: Amount
    due: Amount
    parked: list[ParkedCustomer]

    @classmethod
    def from_past_run(cls, past: run_history.PastRun) -> "PastRun":
        run, sums = past.run, past.sums
        return cls(
            run_id=str(run.run_id),
            period=str(Period(run.period)),
            actor=run.actor,
            started_at=run.started_at,
            finished_at=run.finished_at,
            duration_seconds=past.duration_seconds,
            closed=sums.reports,
            already_closed=run.already_closed,
            failed=run.failed,
            totals=Totals.from_totals(sums.totals),
            prior_period_billed=amount(sums.prior_billed_cents),
            credits=amount(sums.credit_cents),
            due=amount(sums.due_cents),
            parked=[
                ParkedCustomer(
                    customer_id=parked.customer, reason=parked.reason, parked_at=parked.parked_at
                )
                for parked in past.parked
            ],
        )


class RunList(Page[PastRun]):
    """A page of the history, newest first."""
