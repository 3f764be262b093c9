-- include: rating/rate_month
--
-- What each lead of some months comes to now: of an open month all of it, of a closed one the late
-- actions. `outcomes` is the set of its lines' outcomes. The leads of a user all have a user or all
-- have none, so one of them is looked up.
-- offset 0: one look at the key of that lead, whatever the planner knows of the tables.
select
    per_lead.customer_id, per_lead.period, per_lead.user_key, per_lead.lead_id,
    per_lead.product_id, per_lead.lead_type,
    bool_and(first_lead.has_user) over (
        partition by per_lead.customer_id, per_lead.period, per_lead.user_key
    ) as has_user,
    per_lead.gross_cents, per_lead.billed_cents, per_lead.duplicate_cents, per_lead.cap_cents,
    per_lead.actions, per_lead.unpriced, per_lead.outcomes
from (
    select
        customer_id, period, user_key, lead_id, product_id, lead_type,
        row_number() over (
            partition by customer_id, period, user_key order by lead_id
        ) = 1 as is_first,
        coalesce(sum(gross_cents), 0)::bigint as gross_cents,
        coalesce(sum(billed_cents), 0)::bigint as billed_cents,
        coalesce(sum(duplicate_cents), 0)::bigint as duplicate_cents,
        coalesce(sum(cap_cents), 0)::bigint as cap_cents,
        count(*) as actions,
        count(*) filter (where gross_cents is null) as unpriced,
        bit_or(outcome_bit(outcome)) as outcomes
    from rate_month
    group by customer_id, period, user_key, lead_id, product_id, lead_type
) as per_lead
left join lateral (
    select has_user
    from leads
    where per_lead.is_first
        and leads.customer_id = per_lead.customer_id
        and leads.lead_id = per_lead.lead_id
    offset 0
) as first_lead on true
