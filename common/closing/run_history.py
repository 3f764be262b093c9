"""The history of billing runs: who closed what and when, and how far a run is."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from common.catalog.models import Customer
from common.database.transactions import tenant
from common.final_reports.models import BillingReport, BillingRun, ParkedCustomer, run_is_shown
from common.problems import NotFound
from common.rating.line import Totals


class RunKey(NamedTuple):
    """Where a run stands in the history."""

    started_at: datetime
    run_id: UUID


class Parked(NamedTuple):
    """A customer whose month could not be closed, and why."""

    run_id: UUID
    customer: str
    reason: str
    parked_at: datetime


class RunSums(NamedTuple):
    """The sums of the reports that a run made final: of their own lines, and of what is due.

    What is credited is below zero.
    """

    reports: int
    totals: Totals
    prior_billed_cents: int
    credit_cents: int
    due_cents: int


@dataclass(frozen=True, slots=True)
class PastRun:
    """A billing run, what it made final, and its parked customers that no later run has closed.

    `sums` come from the reports, so they are right for a run that was cut short, too.
    """

    run: BillingRun
    sums: RunSums
    parked: list[Parked]

    @property
    def duration_seconds(self) -> float | None:
        """None while it runs, or if it was cut short."""
        if self.run.finished_at is None:
            return None
        return round((self.run.finished_at - self.run.started_at).total_seconds(), 3)


def past_runs(session: Session, after: RunKey | None, limit: int) -> list[PastRun]:
    """At most `limit` runs behind `after`, newest first.

    A tenant sees only the part of each run about itself.
    """
    query = (
        select(BillingRun)
        .where(run_is_shown())
        .order_by(BillingRun.started_at.desc(), BillingRun.run_id.desc())
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(BillingRun.started_at, BillingRun.run_id) < tuple(after))
    return _with_sums(session, list(session.scalars(query)))


def _with_sums(session: Session, runs: list[BillingRun]) -> list[PastRun]:
    parked = [
        Parked(*row)
        for row in session.execute(
            select(
                ParkedCustomer.run_id,
                Customer.external_id,
                ParkedCustomer.reason,
                ParkedCustomer.parked_at,
            )
            .join(Customer, Customer.customer_id == ParkedCustomer.customer_id)
            .where(ParkedCustomer.run_id.in_([run.run_id for run in runs]))
            .order_by(Customer.external_id)
        )
    ]
    sums = _sums(session, [run.run_id for run in runs])
    if tenant() is not None:
        runs = [_tenant_part(run, parked) for run in runs]
    return [
        PastRun(run, sums[run.run_id], [entry for entry in parked if entry.run_id == run.run_id])
        for run in runs
    ]


def _sums(session: Session, run_ids: list[UUID]) -> dict[UUID, RunSums]:
    report = BillingReport
    query = select(
        report.run_id,
        func.count(),
        *(
            func.sum(column)
            for column in (
                report.gross_cents,
                report.billed_cents,
                report.duplicate_cents,
                report.cap_cents,
                report.lead_count,
                report.action_count,
                report.prior_billed_cents,
                report.credit_cents,
                report.due_cents,
            )
        ),
    )
    sums = dict.fromkeys(run_ids, RunSums(0, Totals(), 0, 0, 0))
    for run_id, count, *rest in session.execute(
        query.where(report.run_id.in_(run_ids)).group_by(report.run_id)
    ):
        *totals, prior, credit, due = map(int, rest)
        sums[run_id] = RunSums(count, Totals(*totals), prior, -credit, due)
    return sums


def _tenant_part(run: BillingRun, parked: list[Parked]) -> BillingRun:
    """A run as a tenant sees it, with only what it did about the tenant.

    Reports need no filter here: the database shows a tenant only its own.
    """
    return BillingRun(
        run_id=run.run_id,
        period=run.period,
        actor="the operator",
        started_at=run.started_at,
        finished_at=run.finished_at,
        already_closed=0,
        failed=sum(entry.run_id == run.run_id for entry in parked),
    )


class ClosedReport(NamedTuple):
    """A report that a run made final."""

    customer: str
    customer_name: str
    due_cents: int
    finalized_at: datetime


@dataclass(frozen=True, slots=True)
class RunProgress:
    """How far a run has come: what it closed and parked, and when it last did either."""

    past: PastRun
    closed: list[ClosedReport]
    last_sign: datetime


def run_progress(session: Session, run_id: UUID) -> RunProgress:
    """One run with all it has done so far. Raises NotFound."""
    query = select(BillingRun).where(BillingRun.run_id == run_id, run_is_shown())
    run = session.scalars(query).first()
    if run is None:
        raise NotFound(f"no billing run has the id {run_id}")
    reports = (
        select(
            Customer.external_id,
            BillingReport.customer_name,
            BillingReport.due_cents,
            BillingReport.finalized_at,
        )
        .join(Customer, Customer.customer_id == BillingReport.customer_id)
        .where(BillingReport.run_id == run_id)
        .order_by(Customer.external_id)
    )
    closed = [ClosedReport(*row) for row in session.execute(reports)]
    (past,) = _with_sums(session, [run])
    signs = [run.started_at, *(report.finalized_at for report in closed)]
    signs += [entry.parked_at for entry in past.parked]
    return RunProgress(past, closed, max(signs))
