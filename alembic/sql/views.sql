-- The lines of final reports, one row each, read from their blocks. What follows from the rest of a
-- line is not stored: its outcome, and how much of its price was saved.
create view billing_report_lines with (security_invoker = true) as
select
    block.customer_id,
    block.report_id,
    block.first_line + line.place::int - 1 as line_number,
    block.period,
    line.lead_id, line.action_id, line.product_id, line.user_key,
    line.lead_type collate "C" as lead_type, line.action_type, line.engagement_level,
    line.timestamp,
    line_outcome(
        line.duplicate_of_action_id is not null, line.gross_cents, line.billed_cents
    ) as outcome,
    line.gross_cents, line.billed_cents,
    case when line.duplicate_of_action_id is null then 0 else line.gross_cents - line.billed_cents
        end as duplicate_cents,
    case when line.duplicate_of_action_id is null then line.gross_cents - line.billed_cents else 0
        end as cap_cents,
    block.cap_limit_cents,
    line.cap_used_before_cents, line.duplicate_of_lead_id, line.duplicate_of_action_id,
    line.duplicate_of_timestamp, coalesce(line.rate, 'level') as rate,
    block.first_line as block_first_line, block.last_line as block_last_line,
    block.first_timestamp as block_first_timestamp, block.last_timestamp as block_last_timestamp
from billing_report_line_blocks as block
cross join lateral lines_of_block(
    lead_ids, action_ids, product_ids, user_keys, lead_types, action_types, engagement_levels,
    timestamps, gross_cents, billed_cents, cap_used_before_cents, rates, duplicate_of_lead_ids,
    duplicate_of_action_ids, duplicate_of_timestamps
) as line;
