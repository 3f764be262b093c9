-- params: days int
--
-- What waits for a person: quarantined leads, parked customers, and customers with an open month
-- that ended :days days ago and has actions; events that no receiver has yet. Reads indexes only.
select
    (select count(*) from quarantined_leads where replayed_at is null) as quarantined,
    (select count(distinct customer_id) from parked_customers) as parked,
    (
        select count(*)
        from customers
        where exists (
            select
            from actions
            where actions.customer_id = customers.customer_id
                and actions.timestamp >= coalesce(
                    period_end(customers.closed_through, customers.timezone), '-infinity'
                )
                and actions.timestamp < local_midnight(
                    billing_period_of(
                        now() - make_interval(days => :days), customers.timezone
                    ),
                    customers.timezone
                )
        )
    ) as overdue,
    (select count(*) from webhook_deliveries where delivered_at is null) as events_waiting,
    (select count(*) from webhooks where disabled_because is not null) as webhooks_disabled
