-- params: customer_id uuid
--
-- The credits of final lines that stand on a customer's next report: of accepted disputes, and on no
-- report yet. In the order in which the disputes were accepted, then in that of the lines.
select
    row_number() over (
        order by disputes.decided_at, disputes.dispute_id, source.period, line.line_number
    ) as credit_number,
    disputes.dispute_id, disputes.reason, disputes.decided_at, line.report_id as of_report_id,
    source.period as of_period, line.line_number as of_line_number, leads.external_id as lead,
    line.action_id, line.amount_cents
from disputes
join dispute_lines as line using (customer_id, dispute_id)
join billing_reports as source
    on source.customer_id = :customer_id and source.report_id = line.report_id
-- One at a time: the planner would read all leads of the customer for a few disputes.
cross join lateral (
    select external_id
    from leads
    where leads.customer_id = :customer_id and leads.lead_id = disputes.lead_id
    limit 1
) as leads
where disputes.customer_id = :customer_id
    and disputes.status = 'accepted'
    and line.amount_cents > 0
    and not exists (
        select from billing_report_credits as credit
        where credit.customer_id = :customer_id
            and credit.of_report_id = line.report_id
            and credit.of_line_number = line.line_number
    )
