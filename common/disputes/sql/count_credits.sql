-- params: customer_id uuid
--
-- How many lines are credited on final reports and on drafts, and how many credits are misplaced:
-- without an accepted dispute, above what the line billed, or on an earlier report of the customer
-- than the line. Without a :customer_id, of all customers.
select
    count(credit.report_id) as final,
    count(*) filter (
        where disputed.status = 'accepted' and credit.report_id is null
            and disputed.amount_cents is distinct from 0
    ) as draft,
    count(*) filter (
        where credit.report_id is not null and (
            disputed.status is distinct from 'accepted'
            or line.billed_cents is null
            or credit.amount_cents > line.billed_cents
            or (placed.period >= source.period) is not true
        )
    ) as misplaced
from (
    select *
    from dispute_lines
    where cast(:customer_id as uuid) is null or customer_id = :customer_id
) as disputed
full join (
    select *
    from billing_report_credits
    where cast(:customer_id as uuid) is null or customer_id = :customer_id
) as credit
    on credit.customer_id = disputed.customer_id
    and credit.dispute_id = disputed.dispute_id
    and credit.of_report_id = disputed.report_id
    and credit.of_line_number = disputed.line_number
left join billing_reports as source
    on source.customer_id = credit.customer_id and source.report_id = credit.of_report_id
left join billing_reports as placed
    on placed.customer_id = credit.customer_id and placed.report_id = credit.report_id
left join billing_report_lines as line
    on line.customer_id = credit.customer_id
    and line.report_id = credit.of_report_id
    and line.line_number = credit.of_line_number
    and credit.of_line_number between line.block_first_line and line.block_last_line
