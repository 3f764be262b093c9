-- The credits that stand on a customer's next report: of disputes that were accepted, and on no
-- report yet. In the order in which they were accepted, then in that of the lines.
pending as (
    select
        row_number() over (
            order by
                disputes.decided_at, disputes.dispute_id, source.period, disputed.line_number
        ) as credit_number,
        disputes.customer_id, disputes.dispute_id, disputes.reason, disputes.decided_at,
        disputed.report_id as of_report_id, source.period as of_period,
        disputed.line_number as of_line_number, leads.external_id as lead, disputed.action_id,
        disputed.amount_cents
    from disputes
    join dispute_lines as disputed using (dispute_id)
    join billing_reports as source using (report_id)
    cross join lateral (
        select external_id from leads where leads.lead_id = disputes.lead_id limit 1
    ) as leads
    where disputes.customer_id = :customer_id
        and disputes.status = 'accepted'
        and not exists (
            select from billing_report_credits as credit
            where credit.of_report_id = disputed.report_id
                and credit.of_line_number = disputed.line_number
        )
)
