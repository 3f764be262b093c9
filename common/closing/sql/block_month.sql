-- include: rating/rate_month
-- params: period date
--
-- Puts rated lines into the blocks of the final report of :period: lines of one month in each,
-- column beside column. The lines of :period come first, then those of earlier months.
select
    in_order.*,
    first_line + cardinality(lead_ids) - 1 as last_line,
    timestamps[1] as first_timestamp,
    timestamps[cardinality(timestamps)] as last_timestamp
from (
    select
        gathered.*,
        (
            sum(cardinality(lead_ids)) over (
                order by is_prior, period, block rows unbounded preceding
            ) - cardinality(lead_ids) + 1
        )::int as first_line
    from (
        select
            period < :period as is_prior,
            period,
            block_of(number) as block,
            min(cap_limit_cents) as cap_limit_cents,
            array_agg(lead_id order by number) as lead_ids,
            array_agg(action_id order by number) as action_ids,
            array_agg(product_id order by number) as product_ids,
            array_agg(user_key order by number) as user_keys,
            array_agg(lead_type order by number) as lead_types,
            array_agg(action_type order by number) as action_types,
            array_agg(action_key order by number) as action_keys,
            array_agg(occurrence order by number) as occurrences,
            array_agg(engagement_level order by number) as engagement_levels,
            array_agg(timestamp order by number) as timestamps,
            array_agg(gross_cents order by number) as gross_cents,
            array_agg(billed_cents order by number) as billed_cents,
            array_agg(cap_used_before_cents order by number) as cap_used_before_cents,
            array_agg(nullif(rate, 'level') order by number) as rates,
            array_agg(duplicate_of_lead_id order by number) as duplicate_of_lead_ids,
            array_agg(duplicate_of_action_id order by number) as duplicate_of_action_ids,
            array_agg(duplicate_of_timestamp order by number) as duplicate_of_timestamps
        from rate_month
        group by period < :period, period, block_of(number)
    ) as gathered
) as in_order
