-- params: customer_id uuid, period date
--
-- What decides whether a customer's period can be closed, and how. Run under the customer's lock.
select
    customers.timezone,
    customers.closed_through,
    clock_timestamp() >= local_midnight(
        (cast(:period as date) + interval '1 month')::date, customers.timezone
    ) as is_over,
    (
        select billing_period_of(actions.timestamp, customers.timezone)
        from actions
        where actions.customer_id = :customer_id
            and actions.timestamp >= coalesce(
                local_midnight(
                    (customers.closed_through + interval '1 month')::date, customers.timezone
                ),
                '-infinity'
            )
            and actions.timestamp < local_midnight(:period, customers.timezone)
        order by actions.timestamp
        limit 1
    ) as earlier_open_period,
    array(
        select distinct late_actions.period
        from late_actions
        where late_actions.customer_id = :customer_id
        order by late_actions.period
    ) as late_periods,
    card.rate_card_id,
    card.is_flat
from customers
left join lateral rate_card_in_force(customers.customer_id, :period) as card on true
where customers.customer_id = :customer_id
