-- params: customer_id uuid, report_id uuid
--
-- A hash of the rows that a final report stands on, by table: each column but those that may change
-- after closing, such as what names a person. Ordered by keys. Late lines stand on the rate card of
-- their own month; and what was voided before this report's month ended is on no report.
with lines as materialized (
    select line.lead_id, line.action_id
    from billing_report_line_blocks as block
    cross join lateral unnest(lead_ids, action_ids) as line (lead_id, action_id)
    where block.customer_id = :customer_id and block.report_id = :report_id
),

report as materialized (
    select *
    from billing_reports
    where billing_reports.customer_id = :customer_id and billing_reports.report_id = :report_id
),

credits as materialized (
    select *
    from billing_report_credits as credit
    where credit.customer_id = :customer_id and credit.report_id = :report_id
),

cards as materialized (
    select rate_card_id from report
    union
    select card.rate_card_id
    from (
        select distinct block.period
        from billing_report_line_blocks as block
        where block.customer_id = :customer_id and block.report_id = :report_id
    ) as months
    cross join lateral rate_card_in_force(:customer_id, months.period) as card
),

of_leads as materialized (
    select leads.*
    from (select distinct lead_id from lines) as named
    join leads on leads.customer_id = :customer_id and leads.lead_id = named.lead_id
),

rows_of as (
    select 'billing_reports' as of_table, report.report_id::text as place, row_hash(report) as hash
    from report
    union all
    select 'billing_report_line_blocks', lpad(block.first_line::text, 10, '0'), row_hash(block)
    from billing_report_line_blocks as block
    where block.customer_id = :customer_id and block.report_id = :report_id
    union all
    select 'billing_report_lead_totals', '', row_hash(totals)
    from billing_report_lead_totals as totals
    where totals.customer_id = :customer_id and totals.report_id = :report_id
    union all
    select 'billing_report_credits', lpad(credits.credit_number::text, 10, '0'), row_hash(credits)
    from credits
    union all
    select 'disputes', disputes.dispute_id::text, row_hash(disputes)
    from disputes
    where disputes.customer_id = :customer_id
        and disputes.dispute_id in (select dispute_id from credits)
    union all
    select
        'dispute_lines', dispute_lines.dispute_id || ' ' || dispute_lines.action_id,
        row_hash(dispute_lines)
    from dispute_lines
    join credits
        on credits.dispute_id = dispute_lines.dispute_id
        and credits.of_report_id = dispute_lines.report_id
        and credits.of_line_number = dispute_lines.line_number
    where dispute_lines.customer_id = :customer_id
    union all
    select
        'leads', of_leads.lead_id::text,
        row_hash(of_leads, '{user_email,user_phone,user_external_id}')
    from of_leads
    union all
    select 'actions', actions.lead_id || ' ' || actions.action_id, row_hash(actions)
    from lines
    join actions
        on actions.customer_id = :customer_id
        and actions.lead_id = lines.lead_id and actions.action_id = lines.action_id
    union all
    select
        'voided_actions', voided_actions.lead_id || ' ' || voided_actions.action_id,
        row_hash(voided_actions)
    from report
    join voided_actions
        on voided_actions.customer_id = :customer_id
        and voided_actions.timestamp < period_end(report.period, report.timezone)
    union all
    select
        'billing_runs', billing_runs.run_id::text,
        row_hash(
            billing_runs, '{finished_at,closed,already_closed,failed,due_cents}'
        )
    from report
    join billing_runs using (run_id)
    union all
    select 'rate_cards', rate_cards.rate_card_id::text, row_hash(rate_cards)
    from cards
    join rate_cards using (rate_card_id)
    union all
    select 'rate_card_rates', lpad(rate.rate_id::text, 20, '0'), row_hash(rate)
    from cards
    join rate_card_rates as rate using (rate_card_id)
    union all
    select
        'rate_card_charged_duplicates', charged.rate_card_id || ' ' || charged.lead_type,
        row_hash(charged)
    from cards
    join rate_card_charged_duplicates as charged using (rate_card_id)
    union all
    select
        'customers', '',
        row_hash(
            customers,
            '{name,email,phone_region,billing_address,tax_id,payment_terms_days,'
            'billing_email,closed_through}'
        )
    from customers
    where customers.customer_id = :customer_id
    union all
    select 'products', products.product_id::text, row_hash(products, '{name,description}')
    from products
    where products.product_id in (select product_id from of_leads)
    union all
    select 'lead_types', lead_types.lead_type, row_hash(lead_types)
    from lead_types
    where lead_types.lead_type in (select lead_type from of_leads)
)

select jsonb_object_agg(of_table, hash) as facts
from (
    select
        of_table,
        encode(sha256(string_agg(hash, ''::bytea order by place collate "C")), 'hex') as hash
    from rows_of
    group by of_table
) as by_table
