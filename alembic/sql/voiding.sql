-- Voids actions of a lead (docs/billing-rules.md, Void): moves them out of the actions, in one
-- statement, and returns how many. An action of a closed period stays. Whoever calls it has the
-- customer's lock alone, so that nothing is closed or stored meanwhile. Runs as its owner: no role
-- may delete an action.
create function void_actions(customer uuid, lead uuid, of_actions uuid[], why text)
returns bigint language sql security definer set search_path = public, pg_temp as $$
    with moved as (
        delete from actions
        using customers
        where actions.customer_id = customer
            and actions.lead_id = lead
            and actions.action_id = any (of_actions)
            and customers.customer_id = customer
            and (
                customers.closed_through is null
                or actions.timestamp >= period_end(customers.closed_through, customers.timezone)
            )
        returning actions.*
    ),

    kept as (
        insert into voided_actions (
            customer_id, lead_id, action_id, product_id, user_key, lead_type, lead_created_at,
            action_type, action_key, engagement_level, timestamp, occurrence, received_at, reason
        )
        select
            customer_id, lead_id, action_id, product_id, user_key, lead_type, lead_created_at,
            action_type, action_key, engagement_level, timestamp, occurrence, received_at, why
        from moved
        returning action_id
    ),

    to_rate_again as (
        insert into rating_backlog (customer_id, user_key, first_at, last_at)
        select customer_id, user_key, min(timestamp), max(timestamp)
        from moved
        group by customer_id, user_key, date_trunc('month', timestamp at time zone 'UTC')
    )

    select count(*) from kept
$$;

revoke execute on function void_actions(uuid, uuid, uuid[], text) from public;
