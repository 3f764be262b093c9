-- params: customer_id uuid
-- params: from_instant timestamptz, from_date date, to_instant timestamptz, to_date date
--
-- The billing periods in which a customer, or each of all customers, has an action.
with recursive bounded as (
    select
        customer_id, timezone,
        coalesce(:from_instant, local_midnight(:from_date, timezone), '-infinity') as starts_at,
        coalesce(:to_instant, local_midnight(:to_date, timezone), 'infinity') as ends_at
    from customers
    where cast(:customer_id as uuid) is null or customer_id = :customer_id
),

-- From each period with actions straight to the next one, by the index.
active as (
    select bounded.*, billing_period_of(earliest.timestamp, timezone) as period
    from bounded
    cross join lateral (
        select timestamp
        from actions
        where actions.customer_id = bounded.customer_id
            and timestamp >= bounded.starts_at
            and timestamp < bounded.ends_at
        order by timestamp
        limit 1
    ) as earliest
    union all
    select
        active.customer_id, active.timezone, active.starts_at, active.ends_at,
        billing_period_of(next.timestamp, timezone)
    from active
    cross join lateral (
        select timestamp
        from actions
        where actions.customer_id = active.customer_id
            and timestamp >= local_midnight(
                (active.period + interval '1 month')::date, active.timezone
            )
            and timestamp < active.ends_at
        order by timestamp
        limit 1
    ) as next
)

select customer_id, period from active
