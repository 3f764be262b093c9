-- Numbers what is decided, behind the common table expressions of decide_actions.sql, as a final
-- report has it: the lines of each month by themselves. What a line needs, and no more; {besides}
-- is what all lines of a plain month have alike, and what they are verified with.
numbered as (
    select
        lead_id, action_id, product_id, user_key, lead_type, action_type, engagement_level,
        timestamp, gross_cents, billed_cents, cap_used_before_cents, number, {besides}
        case when is_duplicate then original_lead_id end as repeated_lead_id,
        case when is_duplicate then original_action_id end as repeated_action_id,
        case when is_duplicate then original_timestamp end as repeated_timestamp
    from selected
)
