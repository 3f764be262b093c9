-- params: customer_ids uuid[], periods date[]
-- params: from_instant timestamptz, from_date date, to_instant timestamptz, to_date date
--
-- What the lines of final reports come to, without those of prior periods. `customer_ids` and
-- `periods` are pairs.
select
    customers.customer_id, customers.external_id as customer, report.customer_name as name,
    report.timezone, report.period,
    coalesce(sum(line.gross_cents), 0)::bigint as gross_cents,
    coalesce(sum(line.billed_cents), 0)::bigint as billed_cents,
    coalesce(sum(line.duplicate_cents), 0)::bigint as duplicate_cents,
    coalesce(sum(line.cap_cents), 0)::bigint as cap_cents,
    count(distinct line.lead_id) as leads,
    count(*) as actions,
    0 as unpriced
from unnest(cast(:customer_ids as uuid[]), cast(:periods as date[]))
    as requested (customer_id, period)
join billing_reports as report using (customer_id, period)
join customers using (customer_id)
cross join lateral (
    select
        coalesce(
            :from_instant, local_midnight(:from_date, report.timezone), '-infinity'
        ) as shown_from,
        coalesce(:to_instant, local_midnight(:to_date, report.timezone), 'infinity') as shown_to
) as range
join billing_report_lines as line
    on line.customer_id = report.customer_id
    and line.report_id = report.report_id
    and line.period = report.period
where line.timestamp >= range.shown_from and line.block_last_timestamp >= range.shown_from
    and line.timestamp < range.shown_to and line.block_first_timestamp < range.shown_to
group by
    customers.customer_id, customers.external_id, report.customer_name, report.timezone,
    report.period
