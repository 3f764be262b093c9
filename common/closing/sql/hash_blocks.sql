-- Hashes blocks, behind the common table expressions of block_lines.sql.
hashed_blocks as (
    select
        first_line,
        block_hash(
            period, cap_limit_cents, action_ids, product_ids, user_keys, lead_types, action_types,
            gross_cents, cap_used_before_cents, rates, duplicate_of_lead_ids,
            duplicate_of_action_ids
        ) as block_hash
    from blocks
)
