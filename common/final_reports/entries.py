"""The totals of final reports, as the list of reports shows them."""

from sqlalchemy import Connection, text

from common.enums import ReportStatus
from common.rating.period_totals import Entry, entry_rows
from common.rating.rated_lines import SUMS
from common.rating.scope import Scope

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
    cross join lateral (
        select
            coalesce(
                cast(:from_instant as timestamptz),
                local_midnight(cast(:from_date as date), reports.timezone),
                '-infinity'
            ) as shown_from,
            coalesce(
                cast(:to_instant as timestamptz),
                local_midnight(cast(:to_date as date), reports.timezone),
                'infinity'
            ) as shown_to
    ) as shown
    join billing_report_lines as final
        on final.report_id = reports.report_id and final.period = reports.period
    where final.timestamp >= shown_from and final.block_last_timestamp >= shown_from
        and final.timestamp < shown_to and final.block_first_timestamp < shown_to
) as line
join customers using (customer_id)
group by customer_id, customers.external_id, customer_name, line.timezone, period
"""
)


def final_entries(connection: Connection, scope: Scope) -> list[Entry]:
    """The totals of the lines that `scope` shows of final reports."""
    return entry_rows(connection, _FINAL_ENTRIES, scope, ReportStatus.FINAL)
