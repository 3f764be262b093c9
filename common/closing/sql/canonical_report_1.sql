encode(sha256(convert_to(json_build_array(
            'lead-billing-report/1', customer, to_char(period, 'YYYY-MM'), timezone, card_name,
            card_version, previous_hash, lead_count, action_count, prior_action_count,
            gross_cents, billed_cents, duplicate_cents, cap_cents, prior_billed_cents, due_cents
        )::text, 'UTF8') || line_hashes), 'hex')
