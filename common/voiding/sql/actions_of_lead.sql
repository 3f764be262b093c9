-- params: customer_id uuid, lead_id uuid
--
-- The actions of a lead, and what prevents voiding each: its closed period, or a dispute of it.
select
    actions.action_id,
    billing_period_of(actions.timestamp, customers.timezone) as period,
    coalesce(
        billing_period_of(actions.timestamp, customers.timezone) <= customers.closed_through, false
    ) as is_closed,
    exists (
        select
        from dispute_lines
        where dispute_lines.customer_id = :customer_id
            and dispute_lines.action_id = actions.action_id
            and dispute_lines.status <> 'rejected'
    ) as is_disputed
from actions
join customers on customers.customer_id = :customer_id
where actions.customer_id = :customer_id and actions.lead_id = :lead_id
order by actions.timestamp, actions.action_id
