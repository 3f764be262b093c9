-- Puts lines into the blocks that a final report keeps them in, behind the common table expressions
-- of number_lines.sql: 250 lines of one month in each, but for its last.
gathered as (
    select
        {month} as period,
        {cap_limit} as cap_limit_cents,
        {block} % 1000000000 * 250 + 1 as first_number,
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
        {rates} as rates,
        array_agg(repeated_lead_id order by number) as duplicate_of_lead_ids,
        array_agg(repeated_action_id order by number) as duplicate_of_action_ids,
        array_agg(repeated_timestamp order by number) as duplicate_of_timestamps
    from numbered
    -- One key for month and block: lines are sorted by it, and then by their number.
    group by {block}
),

blocks as materialized (
    select
        gathered.*,
        (first_number + {lines_before})::int as first_line,
        (first_number + {lines_before})::int + cardinality(lead_ids) - 1 as last_line,
        timestamps[1] as first_timestamp,
        timestamps[cardinality(timestamps)] as last_timestamp
    from gathered
)
