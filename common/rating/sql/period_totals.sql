-- include: rating/rate_month
--
-- What each billing period of each customer comes to. It is summed up one customer's period at a
-- time, as it is rated: a sort of all lines by lead would not fit into memory.
select
    customers.customer_id, customers.external_id as customer, customers.name, customers.timezone,
    requested.period, totals.*
from unnest(cast(:customer_ids as uuid[]), cast(:periods as date[]))
    as requested (customer_id, period)
join customers on customers.customer_id = requested.customer_id
cross join lateral (
    select
        coalesce(sum(gross_cents), 0)::bigint as gross_cents,
        coalesce(sum(billed_cents), 0)::bigint as billed_cents,
        coalesce(sum(duplicate_cents), 0)::bigint as duplicate_cents,
        coalesce(sum(cap_cents), 0)::bigint as cap_cents,
        count(*) as leads,
        coalesce(sum(actions), 0)::bigint as actions,
        coalesce(sum(unpriced), 0)::bigint as unpriced
    from (
        select
            sum(gross_cents) as gross_cents,
            sum(billed_cents) as billed_cents,
            sum(duplicate_cents) as duplicate_cents,
            sum(cap_cents) as cap_cents,
            count(*) as actions,
            count(*) filter (where gross_cents is null) as unpriced
        from rate_month
        where rate_month.customer_id = requested.customer_id
            and rate_month.period = requested.period
        group by rate_month.lead_id
    ) as per_lead
) as totals
where totals.leads > 0
order by requested.period desc, customers.external_id
