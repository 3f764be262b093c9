-- params: customer_id uuid, period date
--
-- What decides whether a customer's period can be closed, and how. Run under the customer's lock.
select
    customers.external_id as customer,
    customers.timezone,
    customers.closed_through,
    clock_timestamp() >= period_end(:period, customers.timezone) as is_over,
    (
        select billing_period_of(actions.timestamp, customers.timezone)
        from actions
        where actions.customer_id = :customer_id
            and actions.timestamp >= coalesce(
                period_end(customers.closed_through, customers.timezone), '-infinity'
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
    card.is_flat_card
from customers
left join lateral rate_card_in_force(customers.customer_id, :period) as card on true
where customers.customer_id = :customer_id
