"""Final reports as they are stored, how far each customer's months are closed, and what came late.

Invariant: what is final is read from its lines, never decided again. Nothing here commits; the
caller's transaction does.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, func, select, text

from common.billing import Line, ReportStatus
from common.deciding import (
    LINES_AT_ONCE,
    SUMS,
    Entry,
    Scope,
    SummaryRow,
    entry_rows,
    summary_of,
    summary_rows,
)
from common.models import BillingReport

_FINAL = """
selected as (
    select * from billing_report_lines where report_id = :report_id and period = :period
)"""


_FINAL_SUMMARY = summary_of(_FINAL)


def summarise_final(connection: Connection, report_id: UUID, period: date) -> list[SummaryRow]:
    """The same of a final report's own lines, without those of prior periods."""
    parameters = {"report_id": str(report_id), "period": period}
    return summary_rows(connection.execute(_FINAL_SUMMARY, parameters))


_FINAL_ENTRIES = text(
    f"""
select
    customer_id, customers.external_id as customer, customer_name as name, line.timezone, period,
    {SUMS}, count(distinct lead_id) as leads, count(*) as actions, 0 as unpriced
from (
    select
        reports.customer_id, reports.customer_name, reports.timezone, reports.period,
        final.lead_id, final.gross_cents, final.billed_cents, final.duplicate_cents,
        final.cap_cents
    from unnest(cast(:customer_ids as uuid[]), cast(:periods as date[]))
        as wanted (customer_id, period)
    join billing_reports as reports using (customer_id, period)
    join billing_report_lines as final
        on final.report_id = reports.report_id and final.period = reports.period
    where final.timestamp >= coalesce(
            cast(:from_instant as timestamptz),
            first_midnight(cast(:from_date as date), reports.timezone),
            '-infinity'
        )
        and final.timestamp < coalesce(
            cast(:to_instant as timestamptz),
            first_midnight(cast(:to_date as date), reports.timezone),
            'infinity'
        )
) as line
join customers using (customer_id)
group by customer_id, customers.external_id, customer_name, line.timezone, period
"""
)


def final_entries(connection: Connection, scope: Scope) -> list[Entry]:
    """The totals of the lines that `scope` shows of final reports."""
    return entry_rows(connection, _FINAL_ENTRIES, scope, ReportStatus.FINAL)


def lock_customer(connection: Connection, customer_id: UUID) -> None:
    """Has one transaction at a time settle a customer or fix what settling depends on."""
    key = func.hashtextextended(str(customer_id), 0)
    connection.execute(select(func.pg_advisory_xact_lock(key)))


def closed_through(connection: Connection, customer_id: UUID) -> date | None:
    """The month of the customer's last final report: it and all before it are closed."""
    last = select(func.max(BillingReport.period)).where(BillingReport.customer_id == customer_id)
    return connection.scalar(last)


def all_closed_through(connection: Connection) -> dict[UUID, date]:
    """The same for every customer that has a final report."""
    through = func.max(BillingReport.period).label("through")
    last = select(BillingReport.customer_id, through).group_by(BillingReport.customer_id)
    return {row.customer_id: row.through for row in connection.execute(last)}


def due_of(connection: Connection, customer_id: UUID, period: date) -> int:
    """What a final report says is due, in cents."""
    due = select(BillingReport.due_cents).where(
        BillingReport.customer_id == customer_id, BillingReport.period == period
    )
    return connection.execute(due).scalar_one()


def periods_of(connection: Connection, report_ids: Iterable[UUID]) -> dict[UUID, date]:
    """The months of final reports."""
    query = select(BillingReport.report_id, BillingReport.period)
    found = connection.execute(query.where(BillingReport.report_id.in_(report_ids)))
    return {row.report_id: row.period for row in found}


_LATE_PERIODS = text(
    """
with closed as materialized (
    select
        customer_id, customers.timezone,
        first_midnight((max(period) + interval '1 month')::date, customers.timezone) as ends_at,
        sum(action_count + prior_action_count) as final_count
    from billing_reports
    join customers using (customer_id)
    where cast(:customer_id as uuid) is null or customer_id = :customer_id
    group by customer_id, customers.timezone
)

select distinct closed.customer_id, month_of(timestamp, timezone) as period
from closed
join actions on actions.customer_id = closed.customer_id and actions.timestamp < closed.ends_at
where not exists (
        select from billing_report_lines as final
        where final.lead_id = actions.lead_id and final.action_id = actions.action_id
    )
    -- No action is ever deleted: as many as there are final lines means that none is late.
    and (
        select count(*) from actions as every
        where every.customer_id = closed.customer_id and every.timestamp < closed.ends_at
    ) > closed.final_count
order by customer_id, period
"""
)


def late_periods(connection: Connection, customer_id: UUID) -> list[date]:
    """The closed months that have an action without a final line, oldest first."""
    return [period for _, period in all_late_periods(connection, customer_id)]


def all_late_periods(
    connection: Connection, customer_id: UUID | None = None
) -> list[tuple[UUID, date]]:
    """The same of every customer, or of one, each with its owner."""
    rows = connection.execute(_LATE_PERIODS, {"customer_id": customer_id and str(customer_id)})
    return [(row.customer_id, row.period) for row in rows]


_FINAL_LINES = text(
    """
select
    final.period, final.action_id::text, leads.external_id as lead,
    products.external_id as product, final.lead_type,
    coalesce(leads.user_email, leads.user_phone, leads.user_external_id) as user_name,
    final.user_key::text, final.action_type, final.engagement_level, final.timestamp,
    final.gross_cents, final.billed_cents, final.duplicate_cents, final.cap_cents,
    final.cap_limit_cents, final.cap_used_before_cents, first_leads.external_id as first_lead,
    final.duplicate_of_action_id::text, final.duplicate_of_timestamp, final.rate,
    final.line_number, final.report_id
from billing_report_lines as final
join leads on leads.lead_id = final.lead_id
join products on products.product_id = final.product_id
left join leads as first_leads on first_leads.lead_id = final.duplicate_of_lead_id
where (cast(:report_id as uuid) is null or final.report_id = :report_id)
    and (cast(:lead_id as uuid) is null or final.lead_id = :lead_id)
    and final.line_number > :after and final.line_number <= :last
order by final.line_number
limit :most
"""
)

_LAST_LINE_NUMBER = 2**31 - 1


class FinalLine(NamedTuple):
    """A line of a final report, and where it stands."""

    line: Line
    line_number: int
    report_id: UUID


def final_lines(
    connection: Connection,
    *,
    report_id: UUID | None = None,
    lead_id: UUID | None = None,
    after: int = 0,
    last: int = _LAST_LINE_NUMBER,
    most: int | None = None,
) -> Iterator[FinalLine]:
    """Lines of final reports by their number, those behind `after` and up to `last`."""
    rows = connection.execute(
        _FINAL_LINES,
        {
            "report_id": report_id and str(report_id),
            "lead_id": lead_id and str(lead_id),
            "after": after,
            "last": last,
            "most": most,
        },
        execution_options={"stream_results": True, "yield_per": LINES_AT_ONCE},
    )
    for row in rows:
        *members, line_number, report = row
        yield FinalLine(Line(*members), line_number, report)
