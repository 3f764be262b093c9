-- params: customer_id uuid, dispute_ids uuid[]
--
-- The disputed lines that no final report has yet: whose draft each is on, and what to rate to know
-- what it is billed. Without a :customer_id, of all customers; without :dispute_ids, of all disputes.
select
    disputed.customer_id, disputed.dispute_id, disputed.status, disputes.reason,
    disputes.decided_at, leads.external_id as lead, disputed.action_id, actions.user_key,
    actions.action_type, actions.engagement_level, actions.timestamp,
    billing_period_of(actions.timestamp, customers.timezone) as period,
    greatest(
        billing_period_of(actions.timestamp, customers.timezone),
        (customers.closed_through + interval '1 month')::date
    ) as report_period
from dispute_lines as disputed
join disputes
    on disputes.customer_id = disputed.customer_id and disputes.dispute_id = disputed.dispute_id
join customers on customers.customer_id = disputed.customer_id
join leads
    on leads.customer_id = disputed.customer_id and leads.lead_id = disputes.lead_id
join actions
    on actions.customer_id = disputed.customer_id
    and actions.lead_id = disputes.lead_id
    and actions.action_id = disputed.action_id
where disputed.report_id is null
    and (cast(:customer_id as uuid) is null or disputed.customer_id = :customer_id)
    and (
        cast(:dispute_ids as uuid[]) is null
        or disputed.dispute_id = any(cast(:dispute_ids as uuid[]))
    )
