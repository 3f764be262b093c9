-- params: customer_id uuid, lead_ids uuid[]
--
-- The billing periods that the actions of a customer's leads belong to.
select distinct billing_period_of(actions.timestamp, customers.timezone) as period
from actions
join customers on customers.customer_id = actions.customer_id
where actions.customer_id = :customer_id
    and actions.lead_id = any(cast(:lead_ids as uuid[]))
order by period
