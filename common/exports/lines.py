"""The lines of reports, with all that another system needs to know of each.

Invariant: over a report's rows, `billed` adds up to what is due. Credits are negative.
"""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

from sqlalchemy.orm import Session

from common.billing_period import Period
from common.disputes.credits import Credit
from common.exports.entries import report_id_of
from common.exports.table import Column, Kind, Table
from common.money import CURRENCY
from common.rating.line import Line
from common.rating.periods import PeriodTotals
from common.reports.lines import LineFile, line_file
from common.reports.months import find_month

LINE_COLUMNS = (
    Column("customer_id", Kind.TEXT),
    Column("customer_name", Kind.TEXT),
    Column("report_id", Kind.CODE),
    Column("report_period", Kind.CODE),
    Column("report_status", Kind.CODE),
    Column("line_number", Kind.COUNT),
    Column("line_kind", Kind.CODE),
    Column("period", Kind.CODE),
    Column("timestamp", Kind.MOMENT),
    Column("lead_id", Kind.TEXT),
    Column("lead_created_at", Kind.MOMENT),
    Column("product_id", Kind.TEXT),
    Column("lead_type", Kind.TEXT),
    Column("user", Kind.TEXT),
    Column("user_key", Kind.CODE),
    Column("action_id", Kind.CODE),
    Column("action_type", Kind.TEXT),
    Column("engagement_level", Kind.CODE),
    Column("outcome", Kind.CODE),
    Column("rate", Kind.CODE),
    Column("currency", Kind.CODE),
    Column("gross", Kind.AMOUNT),
    Column("duplicate_saving", Kind.AMOUNT),
    Column("cap_saving", Kind.AMOUNT),
    Column("billed", Kind.AMOUNT),
    Column("cap_used_before", Kind.AMOUNT),
    Column("cap_used_after", Kind.AMOUNT),
    Column("cap_limit", Kind.AMOUNT),
    Column("duplicate_of_lead_id", Kind.TEXT),
    Column("duplicate_of_action_id", Kind.CODE),
    Column("dispute_id", Kind.CODE),
    Column("explanation", Kind.TEXT),
)

# Shows a user in a file, such as masked.
ShowUser = Callable[[str], str]


def line_table(session: Session, entries: list[PeriodTotals], show_user: ShowUser) -> Table:
    """A row for each line and credit of the reports. Each draft is rated once, no final report is.

    Lines have the numbers of the report, its prior-period lines behind its own; credits are counted
    behind both.
    """

    def rows() -> Iterator[tuple[Any, ...]]:
        for entry in entries:
            month = find_month(session, entry.customer, Period(entry.period))
            yield from _rows(entry, line_file(session, month), show_user)

    return Table(LINE_COLUMNS, rows())


def _rows(entry: PeriodTotals, file: LineFile, show_user: ShowUser) -> Iterator[tuple[Any, ...]]:
    own_period = file.period.start
    own_numbers, prior_numbers = count(1), count(entry.totals.actions + 1)
    head = (
        entry.customer,
        entry.customer_name,
        report_id_of(entry),
        str(file.period),
        file.status.value,
    )
    for line in file.lines:
        is_own = line.period == own_period
        number = next(own_numbers if is_own else prior_numbers)
        yield head + _of_line(line, number, is_own, file.timezone, show_user)
    for credit in file.credits:
        yield head + _of_credit(credit, next(prior_numbers), file.timezone)


def _of_line(
    line: Line, number: int, is_own: bool, timezone: str, show_user: ShowUser
) -> tuple[Any, ...]:
    return (
        number,
        "line" if is_own else "prior_period",
        line.period.isoformat()[:7],
        line.timestamp,
        line.lead_id,
        line.lead_created_at,
        line.product_id,
        line.lead_type,
        line.user and show_user(line.user),
        line.user_key,
        line.action_id,
        line.action_type,
        line.engagement_level,
        line.outcome.value,
        line.rate,
        CURRENCY,
        line.gross_cents,
        line.duplicate_cents,
        line.cap_cents,
        line.billed_cents,
        line.cap_used_before_cents,
        line.cap_used_after_cents,
        line.cap_limit_cents,
        line.duplicate_of_lead_id,
        line.duplicate_of_action_id,
        None,
        line.explanation(timezone),
    )


def _of_credit(credit: Credit, number: int, timezone: str) -> tuple[Any, ...]:
    return (
        number,
        "credit",
        str(Period(credit.report_period)),
        credit.accepted_at,
        credit.lead_id,
        *(None,) * 5,
        credit.action_id,
        credit.action_type,
        credit.engagement_level,
        *(None,) * 2,
        CURRENCY,
        *(None,) * 3,
        credit.amount_cents,
        *(None,) * 5,
        credit.dispute_id,
        credit.explanation(timezone),
    )
