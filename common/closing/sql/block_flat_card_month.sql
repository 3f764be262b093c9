-- include: rating/rate_flat_card_month
-- params: customer_id uuid, period date
--
-- Does for one whole open month on a flat card what block_month.sql does for any months, in less
-- time: all its lines have one month, one cap and one kind of rate.
select
    cast(:period as date) as period,
    (select cap_cents from rate_card_in_force(:customer_id, :period)) as cap_limit_cents,
    min(number)::int as first_line,
    max(number)::int as last_line,
    min(timestamp) as first_timestamp,
    max(timestamp) as last_timestamp,
    array_agg(lead_id order by number) as lead_ids,
    array_agg(action_id order by number) as action_ids,
    array_agg(product_id order by number) as product_ids,
    array_agg(user_key order by number) as user_keys,
    array_agg(lead_type order by number) as lead_types,
    array_agg(action_type order by number) as action_types,
    array_agg(engagement_level order by number) as engagement_levels,
    array_agg(timestamp order by number) as timestamps,
    array_agg(gross_cents order by number) as gross_cents,
    array_agg(billed_cents order by number) as billed_cents,
    array_agg(cap_used_before_cents order by number) as cap_used_before_cents,
    array_fill(cast(null as text), array[count(*)::int]) as rates,
    array_agg(duplicate_of_lead_id order by number) as duplicate_of_lead_ids,
    array_agg(duplicate_of_action_id order by number) as duplicate_of_action_ids,
    array_agg(duplicate_of_timestamp order by number) as duplicate_of_timestamps
from rate_flat_card_month
group by block_of(number)
