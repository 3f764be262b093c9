"""Closing a period: a customer's month becomes a final report, once and for ever.

Invariant: a month is closed in one transaction, under a lock of its customer, behind every earlier
month with actions; what is final never changes (rules.md, "Closing a period").
"""

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from importlib.resources import files
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    Connection,
    TextClause,
    delete,
    exists,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common import db, deciding, final_reports, identifiers
from common.billing import Period, amount
from common.db import PreparedStatement
from common.deciding import Scope
from common.metrics import Metric, record
from common.models import (
    BillingReport,
    BillingReportBlock,
    BillingRun,
    Customer,
    ParkedCustomer,
)
from common.problems import Conflict, FieldError, NotFound, Problem, Unpriced
from common.settings import settings

logger = logging.getLogger("lead_billing.settlement")


CANONICAL_FORM = 5  # the newest, which a report is closed in (docs/verification.md)
_FORMS_WITH_NAMES = {1, 2}  # of leads and products; later ones hold their UUIDs
_FORMS_OF_LINES = {1, 2, 3}  # each line is hashed; later ones hash whole blocks

# What the steps behind deciding are made of, for any months on any cards ...
_ANY_MONTHS = {
    "besides": "period, cap_limit_cents, rate, action_key, occurrence,",
    "block": "((period - date '2000-01-01') * 1000000000::bigint + (number - 1) / 250)",
    "month": "min(period)",
    "cap_limit": "min(cap_limit_cents)",
    "rates": "array_agg(nullif(rate, 'level') order by number)",
    "lines_before": "case when period = :period then 0 else "
    "(select lines_before from counted where counted.period = gathered.period) end",
}
# ... and for one whole open month on a plain card.
_PLAIN_MONTH = {
    "besides": "",
    "block": "((number - 1) / 250)",
    "month": "cast(:period as date)",
    "cap_limit": "min((select cap_cents from scope))",
    "rates": "array_fill(cast(null as text), array[count(*)::int])",
    "lines_before": "0",
}


def _behind(decided: str, steps: list[str], form: int, pieces: dict[str, str]) -> str:
    """A statement that goes on from what is `decided` by these steps, in a canonical form.

    `pieces` stand in the steps' placeholders.
    """
    folder = files("common").joinpath("sql")

    def part(name: str) -> str:
        return folder.joinpath(f"{name}.sql").read_text().strip()

    rest = ",\n\n".join(map(part, steps))
    for placeholder, piece in (
        *pieces.items(),
        # Later forms hash no line, but lines are compared by what one of form 3 holds.
        ("canonical_line", part(f"canonical_line_{min(form, 3)}")),
        ("canonical_block", part(f"canonical_block_{max(form, 4)}")),
        ("canonical_report", part(f"canonical_report_{min(form, 2)}")),
        ("canonical_credit", part("canonical_credit")),
        ("line_source", "named" if form in _FORMS_WITH_NAMES else "placed"),
        ("form", str(form)),
    ):
        rest = rest.replace(f"{{{placeholder}}}", piece)
    return f"with {decided},\n\n{rest}"


def _verifying(form: int) -> TextClause:
    if form in _FORMS_OF_LINES:
        decided = _in_order("line_hash", "line_number", "lines")
        stored = _in_order("hash_again", "line_number", "hashed_again")
    else:
        decided = _in_order("{canonical_block}", "first_line", "blocks")
        stored = _in_order("hash_again", "first_line", "stored_blocks")
    steps = ["number_lines", "count_lines", "place_lines", "block_lines"]
    steps += ["name_lines"] if form in _FORMS_WITH_NAMES else []
    steps += ["hash_lines", "sum_lines", "verify_report"]
    action_id = identifiers.action_id_sql(
        *(f"hashed_again.{member}" for member in ("lead_id", "timestamp", "engagement_level")),
        *(f"lines.{member}" for member in ("occurrence", "action_key")),
    )
    pieces = {"line_hashes": decided, "stored_hashes": stored, "action_id": action_id}
    return text(_behind(deciding.DECIDED, steps, form, _ANY_MONTHS | pieces))


def _in_order(hash_: str, number: str, source: str) -> str:
    return f"select string_agg({hash_}, ''::bytea order by {number}) from {source}"


def _closing(
    name: str, decided: str, numbering: list[str], pieces: dict[str, str]
) -> PreparedStatement:
    steps = ["block_lines", "store_blocks", "sum_lines", "pending_credits", "close_period"]
    hashes = _in_order("block_hash", "first_line", "stored_blocks")
    return PreparedStatement(
        name,
        _behind(decided, numbering + steps, CANONICAL_FORM, pieces | {"line_hashes": hashes}),
        Scope.TYPES
        | {
            "report_id": "uuid",
            "run_id": "uuid",
            "customer_id": "uuid",
            "period": "date",
            "rate_card_id": "uuid",
        },
        _NOT_PLANNED_WITH,
    )


# How many rows a month decides to is unknown to the planner, which takes it for a few. So it is to
# join what is decided by hashes, however much it is.
_NOT_PLANNED_WITH = ("nestloop", "mergejoin")

_BEFORE_CLOSING = PreparedStatement(
    "before_closing",
    files("common")
    .joinpath("sql/before_closing.sql")
    .read_text()
    .replace("{cards_in_force}", deciding.CARDS_IN_FORCE),
    {"customer_id": "uuid", "customer_ids": "uuid[]", "period": "date"},
)
_CLOSE = _closing("close_period", deciding.DECIDED, ["number_lines", "count_lines"], _ANY_MONTHS)
_CLOSE_PLAINLY = _closing(
    "close_period_plainly", deciding.DECIDED_PLAINLY, ["number_lines"], _PLAIN_MONTH
)
_VERIFY = {form: _verifying(form) for form in range(1, CANONICAL_FORM + 1)}
_MOST_NAMED_LINES = 100

_FIRST_ZONE = timedelta(hours=14)  # no clock is further ahead of UTC


class Closing(StrEnum):
    """What a run did about one customer."""

    CLOSED = "closed"
    ALREADY_CLOSED = "already_closed"
    FAILED = "failed"


class ClosedMonth(NamedTuple):
    """What a final report comes to. Its lines of prior periods count as billed, not as saved."""

    due_cents: int = 0
    billed_cents: int = 0
    duplicate_cents: int = 0
    cap_cents: int = 0
    late_actions: int = 0
    duplicates: int = 0  # lines that repeat another, those of prior periods among them


_NOTHING_CLOSED = ClosedMonth()


@dataclass(frozen=True, slots=True)
class CustomerResult:
    """What a run did about one customer, and why where it could not close its period."""

    customer_id: str
    closing: Closing
    month: ClosedMonth = _NOTHING_CLOSED
    reason: str | None = None

    def document(self) -> dict[str, Any]:
        return {
            "customer_id": self.customer_id,
            "status": self.closing.value,
            "due": amount(self.month.due_cents),
            "reason": self.reason,
        }


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
        """The sums of what it made final."""
        months = (result.month for result in self.results)
        return ClosedMonth(*map(sum, zip(_NOTHING_CLOSED, *months, strict=True)))

    def document(self) -> dict[str, Any]:
        return {
            "run_id": str(self.run_id),
            "period": str(self.period),
            "closed": self.count(Closing.CLOSED),
            "already_closed": self.count(Closing.ALREADY_CLOSED),
            "failed": self.count(Closing.FAILED),
            "due": amount(self.total.due_cents),
            "results": [result.document() for result in self.results],
        }


@dataclass(frozen=True, slots=True)
class StartedRun:
    """A run that is in the history, with the customers it will close."""

    run_id: UUID
    period: Period
    customers: list[Customer]


def run_billing(period: Period, customer_ids: list[str] | None, actor: str) -> RunResult:
    """Closes a period for the named customers, or for all that have actions or reports.

    Each customer is a transaction of its own: one that fails is parked with its reason, does not
    stop the others, and is taken up by the next run. Raises NotFound for an unknown customer, and
    Conflict when the month is over nowhere yet or not one of the customers could be closed.
    """
    run = finish_run(start_run(period, customer_ids, actor))
    if run.results and run.count(Closing.FAILED) == len(run.results):
        reason = run.results[0].reason if len(run.results) == 1 else "no customer could be closed"
        raise Conflict(str(reason), extra=run.document())
    return run


def start_run(period: Period, customer_ids: list[str] | None, actor: str) -> StartedRun:
    """Puts a run into the history; `finish_run` does what it is for.

    Raises NotFound for an unknown customer, and Conflict when the month is over nowhere yet.
    """
    with db.transaction() as connection:
        _require_over_somewhere(connection, period)
        customers = customers_to_close(connection, period, customer_ids)
        run_id = connection.execute(
            insert(BillingRun).values(period=period.start, actor=actor).returning(BillingRun.run_id)
        ).scalar_one()
    return StartedRun(run_id, period, customers)


def finish_run(started: StartedRun) -> RunResult:
    """Closes or parks each customer of the run, and says in the history what came of it."""
    began = time.monotonic()
    results = _close_or_park_all(started.customers, started.period, started.run_id)
    run = RunResult(started.run_id, started.period, results)
    with db.transaction() as connection:
        connection.execute(
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
    _account_for(run, time.monotonic() - began)
    return run


def _account_for(run: RunResult, seconds: float) -> None:
    """Counts what the run closed. Here, since only what is final is decided for good."""
    total = run.total
    record(Metric.CLOSE_SECONDS, seconds)
    record(Metric.REPORTS_CLOSED, run.count(Closing.CLOSED))
    record(Metric.CLOSES_FAILED, run.count(Closing.FAILED))
    record(Metric.CENTS_BILLED, total.billed_cents)
    record(Metric.CENTS_SAVED_DUPLICATE, total.duplicate_cents)
    record(Metric.CENTS_SAVED_CAP, total.cap_cents)
    record(Metric.LATE_ACTIONS, total.late_actions)
    record(Metric.DUPLICATES, total.duplicates)


def close_period(
    connection: Connection, customer_id: UUID, period: Period, run_id: UUID
) -> ClosedMonth | None:
    """Makes a customer's month final: what it comes to, or None if it was final before.

    Raises Conflict when the month is not over in the customer's zone, or when an earlier one still
    has open actions, and Unpriced when an action has no price.
    """
    # In a statement of its own: the next one's snapshot must come after the wait.
    final_reports.lock_customer(connection, customer_id)
    found = _BEFORE_CLOSING.execute(
        connection,
        {
            "customer_id": str(customer_id),
            "customer_ids": [str(customer_id)],
            "period": period.start,
        },
    ).one()
    if found.closed_through is not None and period.start <= found.closed_through:
        return None
    if not found.is_over:
        raise _still_open(period, found.timezone)
    if found.earlier_open_period is not None:
        raise _closed_too_early(period, Period(found.earlier_open_period))
    if found.rate_card_id is None:
        raise Unpriced(f"no rate card is in force in {period}")
    late = found.late_periods
    scope = Scope([(customer_id, each) for each in (period.start, *late)])
    close = _CLOSE_PLAINLY if found.is_plain and not late else _CLOSE
    try:
        closed = close.execute(
            connection,
            scope.parameters()
            | {
                "report_id": str(identifiers.report_id(customer_id, str(period))),
                "run_id": str(run_id),
                "customer_id": str(customer_id),
                "period": period.start,
                "rate_card_id": str(found.rate_card_id),
            },
        ).one()
    except IntegrityError as error:
        if "every_line_has_a_price" not in str(error.orig):
            raise
        raise Unpriced("an action has no price on the rate card in force") from error
    return ClosedMonth(*closed)


@dataclass(frozen=True, slots=True)
class DifferingLine:
    """A line that is not what was closed."""

    line_number: int
    lead: str | None
    action_id: str | None
    is_changed: bool
    is_decided_otherwise: bool

    @property
    def detail(self) -> str:
        if self.action_id is None:
            return "is missing"
        if not self.is_changed and not self.is_decided_otherwise:
            return "stands where another line did"
        if not self.is_changed:
            return "is not what its action, decided again, comes to"
        if not self.is_decided_otherwise:
            return "its hash is not the one of what it holds"
        return "was changed: neither its hash nor its action, decided again, agrees"

    def document(self) -> dict[str, Any]:
        return {
            "line_number": self.line_number,
            "lead_id": self.lead,
            "action_id": self.action_id,
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True)
class Verification:
    """A final report held against its lines and credits, and against what these are made of."""

    content_hash: str
    stored_hash: str
    decided_hash: str
    previous_hash: str | None
    hash_before: str | None
    line_count: int
    fields: list[str]
    differing_count: int
    lines: list[DifferingLine]
    credits: list[int]
    names: list[str]

    @property
    def is_verified(self) -> bool:
        return (
            self.content_hash == self.stored_hash == self.decided_hash
            and self.previous_hash == self.hash_before
            and not self.fields
            and not self.differing_count
            and not self.credits
            and not self.names
        )

    @property
    def detail(self) -> str:
        if self.is_verified:
            return "the report is what was closed"
        parts = []
        if self.differing_count:
            parts.append(f"{self.differing_count} lines differ")
        if self.credits:
            parts.append(f"credits differ: {', '.join(map(str, self.credits))}")
        if self.names:
            parts.append(f"leads or products have other names: {', '.join(self.names)}")
        if self.fields:
            parts.append(f"totals differ: {', '.join(self.fields)}")
        if self.previous_hash != self.hash_before:
            parts.append("the report before it is another one than it was closed behind")
        return "; ".join(parts) or "the report's hash is not the one of what it holds"

    def document(self) -> dict[str, Any]:
        return {
            "verified": self.is_verified,
            "lines": self.line_count,
            "content_hash": self.content_hash,
            "hash_of_stored_lines": self.stored_hash,
            "hash_of_actions": self.decided_hash,
            "previous_hash": self.previous_hash,
            "hash_of_report_before": self.hash_before,
            "tampered_fields": self.fields,
            "tampered_line_count": self.differing_count,
            "tampered_lines": [line.document() for line in self.lines],
            "tampered_credits": self.credits,
            "tampered_names": self.names,
            "detail": self.detail,
        }


def verify_report(connection: Connection, report: BillingReport) -> Verification:
    """Hashes a final report again from its stored lines, and once more from the raw actions.

    The actions are those that the report's lines name, decided again as they were when it was
    closed (docs/verification.md).
    """
    months = select(BillingReportBlock.period).where(
        BillingReportBlock.report_id == report.report_id
    )
    periods = {report.period, *connection.scalars(months.distinct())}
    scope = Scope([(report.customer_id, period) for period in periods], as_of=report.period)
    for way in _NOT_PLANNED_WITH:
        connection.exec_driver_sql(f"set local enable_{way} = off")
    row = connection.execute(
        _VERIFY[report.canonical_form],
        scope.parameters()
        | {
            "report_id": str(report.report_id),
            "period": report.period,
            "most": _MOST_NAMED_LINES,
        },
    ).one()
    return Verification(
        row.content_hash,
        row.stored_hash,
        row.decided_hash,
        row.previous_hash,
        row.hash_before,
        row.line_count,
        row.fields,
        row.differing_count,
        [DifferingLine(**line) for line in row.differing],
        row.differing_credits,
        list(islice(_misnamed(connection, report.report_id), _MOST_NAMED_LINES)),
    )


_NAMED_ON_REPORT = text(
    """
with line as (
    select lead_id, duplicate_of_lead_id, product_id
    from billing_report_lines
    where report_id = :report_id
)

select true as is_lead, leads.lead_id as entity_id, leads.external_id
from (select lead_id from line union select duplicate_of_lead_id from line) as named
join leads using (lead_id)
union all
select false, products.product_id, products.external_id
from (select distinct product_id from line) as named
join products using (product_id)
"""
)


def _misnamed(connection: Connection, report_id: UUID) -> Iterator[str]:
    """The names on a report whose UUID, which the lines are hashed with, is another one."""
    for is_lead, entity_id, name in connection.execute(
        _NAMED_ON_REPORT,
        {"report_id": str(report_id)},
        execution_options={"stream_results": True, "yield_per": deciding.LINES_AT_ONCE},
    ):
        id_of = identifiers.lead_id if is_lead else identifiers.product_id
        if id_of(name) != entity_id:
            yield name


def _close_or_park_all(
    customers: list[Customer], period: Period, run_id: UUID
) -> list[CustomerResult]:
    """What became of each customer, in their order; several are closed at once.

    When the database goes away, those that were not begun are left as they are.
    """
    current = settings()
    at_once = min(current.customers_closed_at_once, current.database_pool_size)
    with ThreadPoolExecutor(at_once, "closing") as closers:
        # Each in a copy of our context: who acts, and in which role, holds for them too.
        closing = [
            closers.submit(copy_context().run, _close_or_park, each, period, run_id)
            for each in customers
        ]
        try:
            return [each.result() for each in closing]
        finally:
            closers.shutdown(cancel_futures=True)


def _close_or_park(customer: Customer, period: Period, run_id: UUID) -> CustomerResult:
    name = customer.external_id
    try:
        with db.transaction() as connection:
            month = close_period(connection, customer.customer_id, period, run_id)
            if month is None:
                connection.execute(
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
    with db.transaction() as connection:
        parked = {"run_id": run_id, "reason": reason, "parked_at": func.now()}
        connection.execute(
            upsert(ParkedCustomer)
            .values(customer_id=customer.customer_id, period=period.start, **parked)
            .on_conflict_do_update(
                index_elements=[ParkedCustomer.customer_id, ParkedCustomer.period], set_=parked
            )
        )
    return CustomerResult(name, Closing.FAILED, reason=reason)


def customers_to_close(
    connection: Connection, period: Period, customer_ids: list[str] | None
) -> list[Customer]:
    """The named customers, or all with actions up to the month's end or with reports, by id.

    Raises NotFound for an unknown one.
    """
    query = select(Customer).order_by(Customer.external_id)
    if customer_ids is None:
        with_actions = {
            customer for customer, _ in deciding.active_periods(connection, None, None, period.end)
        }
        has_report = exists().where(BillingReport.customer_id == Customer.customer_id)
        query = query.where(Customer.customer_id.in_(with_actions) | has_report)
        return list(Session(connection).scalars(query))
    wanted = {identifiers.customer_id(each): each for each in customer_ids}
    found = list(Session(connection).scalars(query.where(Customer.customer_id.in_(wanted))))
    missing = wanted.keys() - {customer.customer_id for customer in found}
    if missing:
        names = ", ".join(sorted(repr(wanted[each]) for each in missing))
        raise NotFound(f"no such customer is registered: {names}")
    return found


def _require_over_somewhere(connection: Connection, period: Period) -> None:
    """Refuses a month that no customer anywhere can close yet: that parks nobody."""
    now: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    if (now + _FIRST_ZONE).date() < period.end:
        raise _still_open(period, "any time zone")


def _still_open(period: Period, zone: str) -> Conflict:
    return Conflict(
        f"{period} is not over yet in {zone}",
        [FieldError("/period", "period_open", "can be closed when it is over")],
    )


def _closed_too_early(period: Period, first: Period) -> Conflict:
    return Conflict(
        f"{first} still has open actions and must be closed before {period}",
        [FieldError("/period", "earlier_period_open", f"close {first} first")],
    )
