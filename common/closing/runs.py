"""Billing runs: closing a period for many customers, each in a transaction of its own.

Invariant: a customer that cannot be closed is parked with the reason, and the run goes on with the
other customers.
"""

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import delete, exists, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from common import identifiers
from common.audit_log import record_change
from common.billing_period import Period
from common.catalog.models import Customer
from common.closing.close_period import NOTHING_CLOSED, ClosedMonth, close_period, still_open
from common.database.transactions import long_work, transaction
from common.database.waiting import until
from common.final_reports.models import BillingReport, BillingRun, ParkedCustomer
from common.observability.metrics import Metric, record
from common.problems import NotFound, Problem
from common.proof.sealing import seal_quietly
from common.rating.periods import active_periods
from common.settings import settings

logger = logging.getLogger("lead_billing.closing")
_FIRST_ZONE = timedelta(hours=14)  # no clock is further ahead of UTC


class Closing(StrEnum):
    """What a run did about one customer."""

    CLOSED = "closed"
    ALREADY_CLOSED = "already_closed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class CustomerResult:
    """What a run did about one customer. `reason` says why it could not close the period."""

    customer_id: str
    closing: Closing
    month: ClosedMonth = NOTHING_CLOSED
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class RunResult:
    """A billing run's summary."""

    run_id: UUID
    period: Period
    results: list[CustomerResult]

    def count(self, closing: Closing) -> int:
        return sum(result.closing is closing for result in self.results)

    @property
    def total(self) -> ClosedMonth:
        """The sums of the reports that the run made final."""
        months = (result.month for result in self.results)
        return ClosedMonth(*map(sum, zip(NOTHING_CLOSED, *months, strict=True)))

    @property
    def failure(self) -> str | None:
        """Why the run closed nobody, if every customer failed; else None."""
        if not self.results or self.count(Closing.FAILED) < len(self.results):
            return None
        return self.results[0].reason if len(self.results) == 1 else "no customer could be closed"


@dataclass(frozen=True, slots=True)
class StartedRun:
    """A run that stands in the history, with the customers whose period it closes."""

    run_id: UUID
    period: Period
    customers: list[Customer]


def run_billing(period: Period, customer_ids: list[str] | None, actor: str) -> RunResult:
    """Closes a period for the named customers, or for all that have actions or reports.

    Each customer has a transaction of its own. A customer that fails is parked with the reason, and
    the next run tries again. Raises NotFound for an unknown customer, and Conflict if the month has
    not ended in any time zone.
    """
    return finish_run(start_run(period, customer_ids, actor))


def start_run(period: Period, customer_ids: list[str] | None, actor: str) -> StartedRun:
    """Puts a run into the history. `finish_run` closes its customers' periods.

    Raises NotFound for an unknown customer, and Conflict if the month has not ended in any time
    zone.
    """
    with long_work(), until(None), transaction() as session:
        _require_over_somewhere(session, period)
        customers = customers_to_close(session, period, customer_ids)
        run_id = session.execute(
            insert(BillingRun).values(period=period.start, actor=actor).returning(BillingRun.run_id)
        ).scalar_one()
        _note_run(session, "started", run_id)
    return StartedRun(run_id, period, customers)


def finish_run(started: StartedRun) -> RunResult:
    """Closes or parks each customer of the run, and writes the counts into the history."""
    began = time.monotonic()
    with long_work(), until(None):  # no client that leaves ends a run
        results = _close_or_park_all(started.customers, started.period, started.run_id)
    run = RunResult(started.run_id, started.period, results)
    with until(None), transaction() as session:
        session.execute(
            update(BillingRun)
            .where(BillingRun.run_id == run.run_id)
            .values(
                finished_at=func.clock_timestamp(),
                closed=run.count(Closing.CLOSED),
                already_closed=run.count(Closing.ALREADY_CLOSED),
                failed=run.count(Closing.FAILED),
                due_cents=run.total.due_cents,
            )
        )
        _note_run(session, "finished", run.run_id)
    _record_metrics(run, time.monotonic() - began)
    with long_work(), until(None):
        seal_quietly()
    return run


def _note_run(session: Session, action: str, run_id: UUID) -> None:
    """The entry holds the run's row as it is now (common/proof/sql/differing_rows.sql)."""
    run = session.get_one(BillingRun, run_id, populate_existing=True)
    columns = ("period", "closed", "already_closed", "failed", "due_cents")
    after = {column: getattr(run, column) for column in columns}
    after["row_hash"] = session.scalar(select(func.run_hash(run_id)))
    record_change(session, action, "billing_run", run_id, after=after)


def _record_metrics(run: RunResult, seconds: float) -> None:
    """Counts billed and saved amounts when they are final: those of a draft still change."""
    total = run.total
    record(Metric.CLOSE_SECONDS, seconds)
    record(Metric.REPORTS_CLOSED, run.count(Closing.CLOSED))
    record(Metric.CLOSES_FAILED, run.count(Closing.FAILED))
    record(Metric.CENTS_BILLED, total.billed_cents)
    record(Metric.CENTS_SAVED_DUPLICATE, total.duplicate_cents)
    record(Metric.CENTS_SAVED_CAP, total.cap_cents)
    record(Metric.LATE_ACTIONS, total.late_actions)
    record(Metric.DUPLICATES, total.duplicates)


def _close_or_park_all(
    customers: list[Customer], period: Period, run_id: UUID
) -> list[CustomerResult]:
    """Closes several customers at a time. Gives the results in the order of `customers`.

    When the database goes away, customers that were not started stay as they are.
    """
    current = settings()
    at_once = min(current.customers_closed_at_once, current.database_pool_size)
    with ThreadPoolExecutor(at_once, "closing") as closers:
        # A copy of the context tells each thread who acts, and in which role.
        closing = [
            closers.submit(copy_context().run, _close_or_park, customer, period, run_id)
            for customer in customers
        ]
        try:
            return [future.result() for future in closing]
        finally:
            closers.shutdown(cancel_futures=True)


def _close_or_park(customer: Customer, period: Period, run_id: UUID) -> CustomerResult:
    name = customer.external_id
    try:
        with transaction() as session:
            month = close_period(session, customer.customer_id, period, run_id)
            if month is None:
                session.execute(
                    delete(ParkedCustomer).where(
                        ParkedCustomer.customer_id == customer.customer_id,
                        ParkedCustomer.period <= period.start,
                    )
                )
    except Problem as problem:
        reason = problem.detail
    except Exception:
        logger.exception("a customer's period could not be closed")
        reason = "an unexpected error, which was logged"
    else:
        if month is None:
            return CustomerResult(name, Closing.ALREADY_CLOSED)
        return CustomerResult(name, Closing.CLOSED, month)
    with transaction() as session:
        parked = {"run_id": run_id, "reason": reason, "parked_at": func.now()}
        session.execute(
            upsert(ParkedCustomer)
            .values(customer_id=customer.customer_id, period=period.start, **parked)
            .on_conflict_do_update(
                index_elements=[ParkedCustomer.customer_id, ParkedCustomer.period], set_=parked
            )
        )
    return CustomerResult(name, Closing.FAILED, reason=reason)


def customers_to_close(
    session: Session, period: Period, customer_ids: list[str] | None
) -> list[Customer]:
    """The named customers, or all that have actions before the month's end or reports, by id.

    Raises NotFound for an unknown customer.
    """
    query = select(Customer).order_by(Customer.external_id)
    if customer_ids is None:
        with_actions = {customer for customer, _ in active_periods(session, None, None, period.end)}
        has_report = exists().where(BillingReport.customer_id == Customer.customer_id)
        query = query.where(Customer.customer_id.in_(with_actions) | has_report)
        return list(session.scalars(query))
    named = {identifiers.customer_id(external_id): external_id for external_id in customer_ids}
    customers = list(session.scalars(query.where(Customer.customer_id.in_(named))))
    missing = named.keys() - {customer.customer_id for customer in customers}
    if missing:
        names = ", ".join(sorted(repr(named[customer_id]) for customer_id in missing))
        raise NotFound(f"no such customer is registered: {names}")
    return customers


def _require_over_somewhere(session: Session, period: Period) -> None:
    """Refuses a month that has not ended in any time zone, so that no customer is parked for it."""
    now: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    if (now + _FIRST_ZONE).date() < period.end:
        raise still_open(period, "any time zone")
