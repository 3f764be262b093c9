-- params: customer_id uuid, lead_ids uuid[], periods date[]
--
-- The lines of leads on final reports, given the periods that their actions belong to; behind each
-- the period of its report, and what says when the report's dispute window ends.
with bounds as materialized (
    select min(timestamp) as first, max(timestamp) as last
    from actions
    where customer_id = :customer_id and lead_id = any(cast(:lead_ids as uuid[]))
)

select
    line.period, line.action_id::text, leads.external_id as lead, products.external_id as product,
    line.lead_type,
    user_name(leads.*) as user_name,
    line.user_key::text, line.action_type, line.engagement_level, line.timestamp,
    line.gross_cents, line.billed_cents, line.duplicate_cents, line.cap_cents,
    line.cap_limit_cents, line.cap_used_before_cents, originals.external_id as duplicate_of_lead,
    line.duplicate_of_action_id::text, line.duplicate_of_timestamp, line.rate, leads.has_user,
    card.caps_each_product,
    reports.period as report_period, reports.finalized_at, report_card.dispute_window_days
from billing_report_lines as line
join billing_reports as reports
    on reports.customer_id = line.customer_id and reports.report_id = line.report_id
join rate_cards as report_card on report_card.rate_card_id = reports.rate_card_id
join products on products.product_id = line.product_id
join leads on leads.customer_id = line.customer_id and leads.lead_id = line.lead_id
left join leads as originals
    on originals.customer_id = line.customer_id and originals.lead_id = line.duplicate_of_lead_id
cross join lateral rate_card_in_force(line.customer_id, line.period) as card
where line.customer_id = :customer_id
    and line.period = any(cast(:periods as date[]))
    and line.lead_id = any(cast(:lead_ids as uuid[]))
    and line.block_last_timestamp >= (select first from bounds)
    and line.block_first_timestamp <= (select last from bounds)
order by reports.period, line.line_number
