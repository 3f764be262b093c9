-- include: rating/rate_month
--
-- What each lead of some months comes to now: of an open month all of it, of a closed one the late
-- actions. `outcomes` is the set of its lines' outcomes. The leads of a user all have a user or all
-- have none, so one of them is looked up, and none where nobody asks for `has_user`. Sorted by the
-- user first, which tells most rows apart by one comparison.
select
    customer_id, period, user_key, lead_id, product_id, lead_type,
    bool_and(
        case when is_first then (
            select has_user
            from leads
            where leads.customer_id = per_lead.customer_id and leads.lead_id = per_lead.lead_id
        ) end
    ) over (partition by user_key, customer_id, period) as has_user,
    gross_cents, billed_cents, duplicate_cents, cap_cents, actions, unpriced, outcomes
from (
    select
        customer_id, period, user_key, lead_id, product_id, lead_type,
        row_number() over (
            partition by user_key, customer_id, period order by lead_id
        ) = 1 as is_first,
        coalesce(sum(gross_cents), 0)::bigint as gross_cents,
        coalesce(sum(billed_cents), 0)::bigint as billed_cents,
        coalesce(sum(duplicate_cents), 0)::bigint as duplicate_cents,
        coalesce(sum(cap_cents), 0)::bigint as cap_cents,
        count(*) as actions,
        count(*) filter (where gross_cents is null) as unpriced,
        bit_or(outcome_bit(outcome)) as outcomes
    from rate_month
    group by user_key, customer_id, period, lead_id, product_id, lead_type
) as per_lead
