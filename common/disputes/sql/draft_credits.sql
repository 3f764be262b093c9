-- include: disputes/pending_credits
-- params: customer_id uuid
--
-- The credits on the draft of a customer's first open month, with what their lines say.
select
    credit.dispute_id::text, credit.reason, credit.decided_at as accepted_at,
    credit.of_report_id::text as report_id, credit.of_period as report_period,
    credit.of_line_number as line_number, credit.lead, credit.action_id::text,
    line.action_type, line.engagement_level, credit.amount_cents
from pending_credits as credit
join billing_report_lines as line
    on line.customer_id = :customer_id
    and line.report_id = credit.of_report_id
    and line.line_number = credit.of_line_number
    and credit.of_line_number between line.block_first_line and line.block_last_line
order by credit.credit_number
