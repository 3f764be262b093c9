-- Numbers what is decided, behind the common table expressions of decide_actions.sql, as a final
-- report has it: first the lines of :period, then those of prior ones. What a line needs, and no
-- more: this is kept for a whole month.
numbered as materialized (
    select
        period, lead_id, action_id, product_id, user_key, lead_type, action_type, engagement_level,
        timestamp, gross_cents, billed_cents, duplicate_cents, cap_cents, cap_limit_cents,
        cap_used_before_cents, rate, number,
        case when is_repeat then first_lead_id end as repeated_lead_id,
        case when is_repeat then first_action_id end as repeated_action_id,
        case when is_repeat then first_timestamp end as repeated_timestamp
    from selected
),

counted as (
    select period, sum(lines) over (order by period < :period, period) - lines as lines_before
    from (select period, count(*)::int as lines from numbered group by period) as month
)
