sha256(
            convert_to(to_char(period, 'YYYY-MM') || ' ' || cap_limit_cents, 'UTF8')
            || sha512(array_send(action_ids)) || sha512(array_send(product_ids))
            || sha512(array_send(user_keys)) || sha512(array_send(lead_types))
            || sha512(array_send(action_types)) || sha512(array_send(gross_cents))
            || sha512(array_send(cap_used_before_cents)) || sha512(array_send(rates))
            || sha512(array_send(duplicate_of_lead_ids))
            || sha512(array_send(duplicate_of_action_ids))
        )
