-- params: customer_ids uuid[], period date, is_taken boolean
--
-- Whose open months the backlog covers: of some customers or of all, in a period or in any; with
-- `is_taken` only what this transaction has taken of it. One row for each customer and period.
-- `user_keys` is null where the whole period is to be rated: where every user is covered, or so many
-- that this is less work.
with entries as materialized (
    select
        customer_id, date_trunc('month', first_at at time zone 'UTC') as utc_month, user_key,
        min(first_at) as first_at, max(last_at) as last_at
    from rating_backlog
    where (cast(:customer_ids as uuid[]) is null or customer_id = any (cast(:customer_ids as uuid[])))
        and (not :is_taken or is_taken)
    group by customer_id, utc_month, user_key
),

-- The instants of a UTC month lie in at most two months of a customer.
months as materialized (
    select
        span.customer_id, span.utc_month, month.period,
        local_midnight(month.period, customers.timezone) as starts_at,
        period_end(month.period, customers.timezone) as ends_at
    from (
        select
            customer_id, utc_month, min(first_at) as first_at,
            greatest(max(first_at), max(last_at) filter (where isfinite(last_at))) as last_at
        from entries
        group by customer_id, utc_month
    ) as span
    join customers on customers.customer_id = span.customer_id
    cross join lateral (
        select billing_period_of(span.first_at, customers.timezone) as period
        union
        select billing_period_of(span.last_at, customers.timezone)
    ) as month
),

covered as (
    select entries.customer_id, months.period, entries.user_key
    from entries
    join months
        on months.customer_id = entries.customer_id
        and months.utc_month = entries.utc_month
        and entries.first_at < months.ends_at
        and entries.last_at >= months.starts_at
    union
    -- Every user of every month that is known. A change of the time zone moves an action to the
    -- month before or behind it at most, so what there is to rate stands in these.
    select entries.customer_id, known.period, null
    from entries
    join customers on customers.customer_id = entries.customer_id
    cross join lateral (
        select (near.period + make_interval(months => step))::date as period
        from (
            select period
            from standing_month_totals
            where standing_month_totals.customer_id = entries.customer_id
            union
            select period from months where months.customer_id = entries.customer_id
        ) as near
        cross join generate_series(-1, 1) as step
    ) as known
    where entries.user_key is null
        and not isfinite(entries.last_at)
        and period_end(known.period, customers.timezone) > entries.first_at
)

select
    covered.customer_id, covered.period,
    case
        when bool_or(covered.user_key is null) then null
        when count(*) > 50 and count(*) * 4 > coalesce(max(standing.leads), 0) then null
        else array_agg(covered.user_key::text)
    end as user_keys
from covered
join customers on customers.customer_id = covered.customer_id
left join standing_month_totals as standing
    on standing.customer_id = covered.customer_id and standing.period = covered.period
where (customers.closed_through is null or covered.period > customers.closed_through)
    and (cast(:period as date) is null or covered.period = :period)
    and covered.period between '0001-01-01' and '9999-12-01'
group by covered.customer_id, covered.period
order by covered.customer_id, covered.period
