-- params: from_instant timestamptz, from_date date, to_instant timestamptz, to_date date
--
-- The billing periods in which each customer has an action. By the index: the years from the first
-- to the last action, those of them that have an action, and their months that have one. It does
-- not recurse: a search over all customers has no customer to name. `limit 1` keeps each look a
-- single index entry; the planner would join all actions otherwise.
with spans as materialized (
    select
        customers.customer_id, customers.timezone, bounds.starts_at, bounds.ends_at,
        extract(year from billing_period_of(span.first, customers.timezone))::int as first_year,
        extract(year from billing_period_of(span.last, customers.timezone))::int as last_year
    from customers
    cross join lateral (
        select
            coalesce(:from_instant, local_midnight(:from_date, timezone), '-infinity') as starts_at,
            coalesce(:to_instant, local_midnight(:to_date, timezone), 'infinity') as ends_at
    ) as bounds
    cross join lateral (
        select min(timestamp) as first, max(timestamp) as last
        from actions
        where actions.customer_id = customers.customer_id
            and timestamp >= bounds.starts_at
            and timestamp < bounds.ends_at
    ) as span
    where span.first is not null
),

years as materialized (
    select spans.*, year
    from spans
    cross join lateral generate_series(first_year, last_year) as year
    cross join lateral (
        select
        from actions
        where actions.customer_id = spans.customer_id
            and timestamp >= greatest(starts_at, local_midnight(make_date(year, 1, 1), timezone))
            and timestamp < least(ends_at, local_midnight(make_date(year + 1, 1, 1), timezone))
        limit 1
    ) as active
)

select years.customer_id, months.period
from years
cross join lateral (
    select make_date(year, month, 1) as period from generate_series(1, 12) as month
) as months
cross join lateral (
    select
    from actions
    where actions.customer_id = years.customer_id
        and timestamp >= greatest(starts_at, local_midnight(months.period, timezone))
        and timestamp < least(ends_at, period_end(months.period, timezone))
    limit 1
) as active
