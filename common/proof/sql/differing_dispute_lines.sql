-- params: customer_id uuid
--
-- Disputes of a customer with a line that is not the one on the final report that it names.
select distinct disputed.dispute_id
from dispute_lines as disputed
join disputes using (customer_id, dispute_id)
left join billing_report_lines as line
    on line.customer_id = :customer_id and line.action_id = disputed.action_id
where disputed.customer_id = :customer_id
    and (
        disputed.status <> disputes.status
        or (disputed.report_id, disputed.line_number, disputed.amount_cents)
        is distinct from (line.report_id, line.line_number, line.billed_cents)
    )
