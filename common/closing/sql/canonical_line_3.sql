sha256(convert_to(concat_ws(
            e'\n',
            case when period <> :period then to_char(period, 'YYYY-MM') end,
            (extract(epoch from timestamp) * 1000000)::bigint, lead_id, product_id, user_key,
            action_id, engagement_level, gross_cents, billed_cents, duplicate_cents, cap_cents,
            cap_limit_cents, cap_used_before_cents, outcome, rate, repeated_lead_id,
            repeated_action_id, lead_type, to_json(action_type)
        ), 'UTF8'))
