sha256(convert_to(json_build_array(
            to_char(period, 'YYYY-MM'),
            to_char(timestamp at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            lead, product, lead_type, user_key, action_type, engagement_level, action_id,
            gross_cents, billed_cents, duplicate_cents, cap_cents, cap_limit_cents,
            cap_used_before_cents, outcome, first_lead, repeated_action_id
        )::text, 'UTF8'))