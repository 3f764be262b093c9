-- params: customer_id uuid, report_id uuid
--
-- The credits on a final report, with what their lines say.
select
    credit.dispute_id::text, disputes.reason, disputes.decided_at as accepted_at,
    credit.of_report_id::text as report_id, source.period as report_period,
    credit.of_line_number as line_number, leads.external_id as lead, line.action_id::text,
    line.action_type, line.engagement_level, credit.amount_cents
from billing_report_credits as credit
join disputes
    on disputes.customer_id = :customer_id and disputes.dispute_id = credit.dispute_id
join billing_reports as source
    on source.customer_id = :customer_id and source.report_id = credit.of_report_id
join billing_report_lines as line
    on line.customer_id = :customer_id
    and line.report_id = credit.of_report_id
    and line.line_number = credit.of_line_number
    and credit.of_line_number between line.block_first_line and line.block_last_line
join leads on leads.customer_id = :customer_id and leads.lead_id = line.lead_id
where credit.customer_id = :customer_id and credit.report_id = :report_id
order by credit.credit_number
