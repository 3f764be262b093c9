-- Marks actions that are stored for a closed period. Whoever stores actions shares the customer's
-- lock and whoever closes a period has it alone, so each action is either seen by the statement that
-- closes its period, or finds the period closed here.
create function actions_mark_late() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise invalid_transaction_state
            using message = 'actions are stored in a READ COMMITTED transaction';
    end if;
    perform pg_advisory_xact_lock_shared(hashtextextended(customer_id::text, 0))
    from (select distinct customer_id from inserted order by customer_id) as posted;
    insert into late_actions (customer_id, period, lead_id, action_id)
    select
        inserted.customer_id, billing_period_of(inserted.timestamp, closed.timezone),
        inserted.lead_id, inserted.action_id
    from (
        select
            posted.customer_id, customers.timezone,
            local_midnight((last.period + interval '1 month')::date, customers.timezone) as ends_at
        from (select distinct customer_id from inserted) as posted
        join customers using (customer_id)
        cross join lateral (
            select max(period) as period
            from billing_reports
            where billing_reports.customer_id = posted.customer_id
        ) as last
    ) as closed
    join inserted on inserted.customer_id = closed.customer_id
        and inserted.timestamp < closed.ends_at;
    return null;
end $$;

create trigger actions_are_marked_late after insert on actions
    referencing new table as inserted
    for each statement execute function actions_mark_late();
