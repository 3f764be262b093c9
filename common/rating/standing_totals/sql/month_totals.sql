-- include: rating/standing_totals/rated_leads
-- include: rating/standing_totals/superseded_leads
-- params: customer_id uuid, period date
--
-- What each open month of each customer comes to, or of one customer, or one period. Also what is
-- late in the closed months that are rated.
select
    customers.customer_id, customers.external_id as customer, customers.name, customers.timezone,
    totals.period, totals.gross_cents, totals.billed_cents, totals.duplicate_cents,
    totals.cap_cents, totals.leads, totals.actions, totals.unpriced
from (
    select
        customer_id, period,
        sum(gross_cents)::bigint as gross_cents,
        sum(billed_cents)::bigint as billed_cents,
        sum(duplicate_cents)::bigint as duplicate_cents,
        sum(cap_cents)::bigint as cap_cents,
        sum(leads)::bigint as leads,
        sum(actions)::bigint as actions,
        sum(unpriced)::bigint as unpriced
    from (
        select
            standing.customer_id, standing.period, standing.gross_cents, standing.billed_cents,
            standing.duplicate_cents, standing.cap_cents, standing.leads, standing.actions,
            standing.unpriced
        from standing_month_totals as standing
        join customers
            on customers.customer_id = standing.customer_id
            and (customers.closed_through is null or customers.closed_through < standing.period)
        where (cast(:customer_id as uuid) is null or standing.customer_id = :customer_id)
            and (cast(:period as date) is null or standing.period = :period)
        union all
        select
            customer_id, period, gross_cents, billed_cents, duplicate_cents, cap_cents, 1, actions,
            unpriced
        from rated_leads
        union all
        select
            customer_id, period, -gross_cents, -billed_cents, -duplicate_cents, -cap_cents, -1,
            -actions, -unpriced
        from superseded_leads
    ) as part
    group by customer_id, period
) as totals
join customers on customers.customer_id = totals.customer_id
where totals.leads > 0
order by totals.period desc, customers.external_id
