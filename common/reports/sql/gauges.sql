-- params: days int
--
-- What waits for a person: quarantined leads, parked customers, and customers with an open month
-- that ended :days days ago and has actions. Reads indexes only.
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
                    local_midnight(
                        (customers.closed_through + interval '1 month')::date, customers.timezone
                    ),
                    '-infinity'
                )
                and actions.timestamp < local_midnight(
                    billing_period_of(
                        now() - make_interval(days => :days), customers.timezone
                    ),
                    customers.timezone
                )
        )
    ) as overdue
