-- params: customer_id uuid, lead_id uuid
--
-- The billing periods that a lead's actions belong to.
select distinct billing_period_of(actions.timestamp, customers.timezone) as period
from actions
join customers on customers.customer_id = actions.customer_id
where actions.customer_id = :customer_id and actions.lead_id = :lead_id
order by period
