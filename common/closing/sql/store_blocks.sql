-- Stores the blocks of block_lines.sql, and hands on their hashes.
stored_blocks as (
    insert into billing_report_line_blocks (
        report_id, first_line, last_line, customer_id, period, first_timestamp, last_timestamp,
        cap_limit_cents, lead_ids, action_ids, product_ids, user_keys, lead_types, action_types,
        engagement_levels, timestamps, gross_cents, billed_cents, cap_used_before_cents, rates,
        duplicate_of_lead_ids, duplicate_of_action_ids, duplicate_of_timestamps, block_hash
    )
    select
        cast(:report_id as uuid), first_line, last_line, cast(:customer_id as uuid), period,
        first_timestamp, last_timestamp, cap_limit_cents, lead_ids, action_ids, product_ids,
        user_keys, lead_types, action_types, engagement_levels, timestamps, gross_cents,
        billed_cents, cap_used_before_cents, rates, duplicate_of_lead_ids, duplicate_of_action_ids,
        duplicate_of_timestamps,
        block_hash(
            period, cap_limit_cents, action_ids, product_ids, user_keys, lead_types, action_types,
            gross_cents, cap_used_before_cents, rates, duplicate_of_lead_ids,
            duplicate_of_action_ids
        )
    from blocks
    returning first_line, block_hash
)
