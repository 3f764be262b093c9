-- Stores the lines and hands on what is summed up of them, behind the common table expressions of
-- number_lines.sql.
lines as (
    insert into billing_report_lines (
        report_id, line_number, customer_id, period, lead_id, action_id, product_id, user_key,
        lead_type, action_type, engagement_level, timestamp, outcome, gross_cents, billed_cents,
        duplicate_cents, cap_cents, cap_limit_cents, cap_used_before_cents, duplicate_of_lead_id,
        duplicate_of_action_id, duplicate_of_timestamp, rate, line_hash
    )
    select
        cast(:report_id as uuid), line_number, customer_id, period, lead_id, action_id, product_id,
        user_key, lead_type, action_type, engagement_level, timestamp, outcome::outcome, gross_cents,
        billed_cents, duplicate_cents, cap_cents, cap_limit_cents, cap_used_before_cents,
        repeated_lead_id, repeated_action_id, repeated_timestamp, rate,
        {canonical_line}
    from placed
    returning
        period, lead_id, line_number, gross_cents, billed_cents, duplicate_cents, cap_cents,
        line_hash
)
