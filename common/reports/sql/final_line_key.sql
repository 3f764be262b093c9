-- params: customer_id uuid, report_id uuid, line_number int
--
-- The place of a final report's line in canonical order. `offset 0`: one look at the key of its
-- action, whatever the planner knows of the tables. It would read the customer's actions otherwise.
select
    line.timestamp, actions.lead_created_at, line.lead_id, actions.action_key,
    line.engagement_level, actions.occurrence
from billing_report_lines as line
cross join lateral (
    select lead_created_at, action_key, occurrence
    from actions
    where actions.customer_id = :customer_id
        and actions.lead_id = line.lead_id
        and actions.action_id = line.action_id
    offset 0
) as actions
where line.customer_id = :customer_id
    and line.report_id = :report_id
    and line.line_number = :line_number
    and line.block_first_line <= :line_number
    and line.block_last_line >= :line_number
