sha256(convert_to(concat(
            '["', to_char(period, 'YYYY-MM'), '", "',
            to_char(timestamp at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '", ',
            to_json(lead), ', ', to_json(product), ', ', to_json(lead_type), ', "', user_key, '", ',
            to_json(action_type), ', "', engagement_level, '", "', action_id, '", ', gross_cents,
            ', ', billed_cents, ', ', duplicate_cents, ', ', cap_cents, ', ', cap_limit_cents, ', ',
            cap_used_before_cents, ', "', outcome, '", ', coalesce(to_json(repeated_lead)::text, 'null'),
            ', ', coalesce('"' || repeated_action_id || '"', 'null'), ']'
        ), 'UTF8'))
