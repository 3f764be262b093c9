sha256(convert_to(json_build_array(
            dispute_id, reason, to_char(of_period, 'YYYY-MM'), of_line_number, lead, action_id,
            amount_cents
        )::text, 'UTF8'))
