-- params: customer_id uuid
-- params: from_instant timestamptz, from_date date, to_instant timestamptz, to_date date
--
-- The billing periods in which a customer has an action.
with recursive bounds as (
    select
        timezone,
        coalesce(:from_instant, local_midnight(:from_date, timezone), '-infinity') as starts_at,
        coalesce(:to_instant, local_midnight(:to_date, timezone), 'infinity') as ends_at
    from customers
    where customer_id = :customer_id
),

-- From each period with actions straight to the next one, by the index.
active as (
    select bounds.*, billing_period_of(earliest.timestamp, timezone) as period
    from bounds
    cross join lateral (
        select timestamp
        from actions
        where actions.customer_id = :customer_id
            and timestamp >= bounds.starts_at
            and timestamp < bounds.ends_at
        order by timestamp
        limit 1
    ) as earliest
    union all
    select
        active.timezone, active.starts_at, active.ends_at,
        billing_period_of(next.timestamp, timezone)
    from active
    cross join lateral (
        select timestamp
        from actions
        where actions.customer_id = :customer_id
            and timestamp >= period_end(active.period, active.timezone)
            and timestamp < active.ends_at
        order by timestamp
        limit 1
    ) as next
)

select cast(:customer_id as uuid) as customer_id, period from active
